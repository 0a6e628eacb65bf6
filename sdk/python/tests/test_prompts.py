"""The helpers that need no server, against the examples in sdk/testdata, which all SDKs share."""

import json
import re
import unittest
from pathlib import Path
from typing import Any

from b2b_protocol import format_lifecycle_event, parse_mentions, protocol_guide, status_guide

DATA = Path(__file__).parents[2] / "testdata"


def read(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


class PromptTest(unittest.TestCase):
    def test_mentions_are_those_that_the_server_finds(self) -> None:
        """B2B-SDK-030"""
        examples = json.loads(read("mentions.json"))
        self.assertGreater(len(examples), 100)
        for example in examples:
            found = parse_mentions(example["content"], example["participants"])
            self.assertEqual((found.mentions, found.mention_all), (example["mentions"], example["mention_all"]), example["content"])

    def test_an_event_of_a_thread_has_its_line(self) -> None:
        """B2B-SDK-032"""
        events = json.loads(read("lifecycle.json"))["events"]
        self.assertGreater(len(events), 5)
        for example in events:
            names: dict[str, str] = example.get("names", {})
            self.assertEqual(format_lifecycle_event(example["event"], names.get), example["text"])
            if not names:
                self.assertEqual(format_lifecycle_event(example["event"]), example["text"])

    def test_the_guide_of_a_status_names_each_status_that_it_can_be_set_to(self) -> None:
        """B2B-SDK-032"""
        statuses = json.loads(read("lifecycle.json"))["statuses"]
        self.assertEqual({status: status_guide(status) for status in statuses}, statuses)
        self.assertEqual(re.findall(r"^- (\w+): ", status_guide("active"), re.MULTILINE), ["blocked", "reviewing", "resolved", "closed"])
        self.assertEqual(status_guide("open"), "Unknown status: open")

    def test_the_protocol_guide_is_the_shared_text(self) -> None:
        """B2B-SDK-032"""
        self.assertEqual(protocol_guide() + "\n", read("guide.en.md"))
        self.assertEqual(protocol_guide("zh") + "\n", read("guide.zh.md"))
        wrong: Any = "fr"
        with self.assertRaises(ValueError):
            protocol_guide(wrong)


if __name__ == "__main__":
    unittest.main()
