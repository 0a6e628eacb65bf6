"""The verification of webhooks, against the examples in sdk/testdata, which all SDKs share."""

import json
import unittest
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from b2b_protocol.webhook import WebhookError, verify_webhook

EXAMPLES = Path(__file__).parents[2] / "testdata" / "webhooks.json"


def id_of(example: dict[str, Any], body: bytes | str, secret: str | Iterable[str]) -> str | None:
    try:
        return verify_webhook(example["headers"], body, secret, example["now"])
    except WebhookError:
        return None


class WebhookTest(unittest.TestCase):
    def test_a_webhook_is_verified_with_several_secrets_and_in_both_styles(self) -> None:
        """B2B-SDK-031, B2B-SDK-034, B2B-SDK-035"""
        examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
        self.assertGreater(len(examples), 70)
        for example in examples:
            body, secrets, want = example["body"], example["secrets"], example["id"]
            with self.subTest(example["name"]):
                self.assertEqual(id_of(example, body, secrets), want)
                self.assertEqual(id_of(example, body.encode(), iter(["an older secret", *secrets, ""])), want)
                if len(secrets) == 1:
                    self.assertEqual(id_of(example, body, secrets[0]), want)
