"""A server of the real binary."""

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from ..gen.rest import types
from ..gen.rest.operations import Rest
from ..transport import HttpTransport

_START = 60.0
"""The number of seconds in which the server must listen."""

_SECRET = "only-for-tests"


class RealServer:
    """Runs the program b2b on a free port, with data in a temporary folder. It keeps its port over restarts."""

    url: str
    """The base URL."""

    def __init__(self, binary: str | os.PathLike[str] = "b2b") -> None:
        self._binary = os.fspath(binary)
        self._folder = tempfile.TemporaryDirectory()
        self._port = "0"
        self.start()

    def start(self) -> None:
        """Starts the server again after kill."""
        log = Path(self._folder.name) / "log"
        settings = {
            "B2B_DATA_DIR": self._folder.name + "/data",
            "B2B_HOST": "127.0.0.1",
            "B2B_ADMIN_SECRET": _SECRET,
            "B2B_LOG_LEVEL": "info",
        }
        with log.open("wb") as out:
            command = [self._binary, "serve", "--port", self._port]
            self._process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=out, stderr=out)
        deadline = time.monotonic() + _START
        while not (found := re.search(r'"msg":"listening","addr":"[^"]+:(\d+)"', text := log.read_text(encoding="utf-8"))):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server does not listen. Its log: {text}")
            time.sleep(0.02)
        self._port = found[1]
        self.url = f"http://127.0.0.1:{self._port}"

    def kill(self) -> None:
        """Ends the server without a warning, as a crash does."""
        self._process.kill()
        self._process.wait()

    def bots(self, *names: str) -> list[types.RegisterBotResponse]:
        """Makes an org with bots, of which the first is an admin, and returns them with their tokens."""
        cookies: list[str] = []
        with HttpTransport(self.url) as transport:
            rest = Rest(transport)
            rest.login(
                type="super_admin", admin_secret=_SECRET, on_response=lambda r: cookies.append(r.headers["set-cookie"].split(";")[0])
            )
            org = rest.create_org(name="test", headers={"Cookie": cookies[0]})
            bots = [rest.register_bot(org_id=org["id"], org_secret=org["org_secret"], name=name) for name in names]
        with HttpTransport(self.url, bots[0].get("token")) as transport:
            Rest(transport).update_org_settings(messages_per_minute_per_bot=100_000)
        return bots

    def close(self) -> None:
        """Ends the server, and removes its data."""
        self.kill()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
