"""Runs the example of each framework against the server at B2B_BINARY and the stand-in for models (model.py).

B2B_PYTHON is the interpreter that has those in Python, B2B_EXAMPLES the folder of the compiled examples in TypeScript. An agent is asked in a thread, calls a tool that works and one that does not, goes on with the conversation,
fails without telling secrets, and is silent.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from b2b_protocol import Client
from b2b_protocol.testing import RealServer

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "sdk/python/examples/frameworks"
KEPT = ("PATH", "LANG", "TMPDIR", "PYTHONPATH")
"""What an agent has of the environment: no settings of a framework, and no key of a model."""
LONGEST = 120.0

T = TypeVar("T")


def until(what: str, look: Callable[[], T | None], process: "subprocess.Popen[bytes]", log: Path) -> T:
    """Waits until there is something."""
    deadline = time.monotonic() + LONGEST
    while (found := look()) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"not seen: {what}. The output of the agent:\n{log.read_text(encoding='utf-8')[-6000:]}")
        time.sleep(0.1)
    return found


class FrameworksTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        cls.server = cls.enterClassContext(RealServer(os.environ["B2B_BINARY"]))
        model = subprocess.Popen([sys.executable, Path(__file__).with_name("model.py")], stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(model.wait)
        cls.addClassCleanup(model.kill)
        assert model.stdout is not None
        cls.addClassCleanup(model.stdout.close)
        cls.model = model.stdout.readline().strip()

    def environment(self, token: str) -> dict[str, str]:
        home = tempfile.mkdtemp(dir=self.folder)
        own = {"HOME": home, "CLAUDE_CONFIG_DIR": home, "B2B_URL": self.server.url, "B2B_TOKEN": token}
        keys = {f"{name}_API_KEY": "none" for name in ("OPENAI", "ANTHROPIC", "GOOGLE")}
        urls = {"OPENAI_BASE_URL": f"{self.model}/v1", "ANTHROPIC_BASE_URL": self.model, "GOOGLE_GEMINI_BASE_URL": self.model}
        quiet = {"OPENAI_AGENTS_DISABLE_TRACING": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_TELEMETRY": "1"}
        return {**{name: os.environ[name] for name in KEPT if name in os.environ}, **own, **keys, **urls, **quiet}

    def check(self, *command: str | Path, remembered: int = 4) -> None:
        user_bot, agent_bot = self.server.bots("user", "agent")
        log = Path(tempfile.mkdtemp(dir=self.folder)) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, env=self.environment(agent_bot["token"]), stdout=out, stderr=out)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        with Client(self.server.url, user_bot["token"]) as user, Client(self.server.url, agent_bot["token"]) as agent:
            thread = user.create_thread(topic="Release <1>", participants=["agent"])["id"]

            def answers(to: str) -> list[Any]:
                return [one for one in user.iter_thread_messages(thread) if one["reply_to_id"] == to]

            def ask(text: str) -> Any:
                asked = user.send_thread_message(thread, f"{text}@agent")["id"]
                return until(f"the answer to {text}", lambda: next(iter(answers(asked)), None), process, log)

            first = ask("write report ")
            self.assertIn("Stored as version 1.", first["content"])
            (report,) = user.list_artifact_versions(thread, "report")
            self.assertEqual((report["content"], report["contributor_id"]), ("# report", agent_bot["bot_id"]))
            self.assertIn("NOT_FOUND: ", ask("break ")["content"])
            self.assertEqual(ask("count ")["content"], "I was asked 3 times.")

            # It is asked again after a failure, with the conversation as it was before.
            flaky = user.send_thread_message(thread, "flaky @agent", receipts=True)["id"]
            counted = until("the second attempt", lambda: next(iter(answers(flaky)), None), process, log)
            self.assertEqual(counted["content"], f"I was asked {remembered} times.")
            (receipt,) = user.get_receipts(flaky)["items"]
            self.assertEqual(receipt["state"], "done")
            self.assertNotIn("secret", json.dumps(receipt))
            self.assertIn("a worker of the inbox: ", log.read_text(encoding="utf-8"))

            user.send("agent", "Hello?")
            inbox = until("the answer to a direct message", lambda: user.get_inbox(since=0) or None, process, log)
            self.assertEqual([one["content"] for one in inbox], ["You said: Hello?"])

            other = user.create_thread(topic="Other", participants=["agent"])["id"]
            user.send_thread_message(other, "silent @agent")
            asked = user.send_thread_message(other, "count @agent")
            said = until("an answer after silence", lambda: list(user.iter_thread_messages(other))[:-2] or None, process, log)
            self.assertEqual([(one["content"], one["reply_to_id"]) for one in said], [("I was asked 2 times.", asked["id"])])

            until("nothing is left to do", lambda: not agent.list_deliveries()["items"] or None, process, log)
            of_agent = [one["content"] for one in user.iter_thread_messages(thread) if one["sender_id"] == agent_bot["bot_id"]]
            self.assertEqual(len(of_agent), 4, of_agent)

    def python(self, name: str, **options: int) -> None:
        self.check(os.environ["B2B_PYTHON"], PYTHON / f"{name}.py", **options)

    def test_langchain(self) -> None:
        self.python("langchain_agent")

    def test_openai_agents(self) -> None:
        self.python("openai_agent")

    def test_claude_agent(self) -> None:
        self.python("claude_agent", remembered=5)  # which keeps turns that failed

    def test_pydantic_ai(self) -> None:
        self.python("pydantic_agent")

    def test_google_adk(self) -> None:
        self.python("adk_agent")

    def typescript(self, name: str) -> None:
        self.check("node", Path(os.environ["B2B_EXAMPLES"]) / f"{name}.js")

    def test_ai_sdk(self) -> None:
        self.typescript("ai-agent")

    def test_langchain_in_typescript(self) -> None:
        self.typescript("langchain-agent")

    def test_openai_agents_in_typescript(self) -> None:
        self.typescript("openai-agent")


if __name__ == "__main__":
    unittest.main()
