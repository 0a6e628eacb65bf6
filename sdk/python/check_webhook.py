"""Runs the webhook test vectors, which all SDKs share."""

import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
here = Path(__file__).parent
sys.path.insert(0, str(here / "src"))

from b2b_protocol.webhook import WebhookError, verify_webhook

vectors = json.loads((here.parent / "testdata" / "webhooks.json").read_text(encoding="utf-8"))
for v in vectors:
    for secret in (v["secret"], ["an older secret", "", v["secret"]]):
        try:
            got = verify_webhook(v["headers"], v["body"].encode(), secret, v["now"])
        except WebhookError:
            got = None
        if got != (v["headers"].get("webhook-id") if v["valid"] else None):
            sys.exit(f"{v['name']}: {got}")
print(f"python: {len(vectors)} webhook vectors")
