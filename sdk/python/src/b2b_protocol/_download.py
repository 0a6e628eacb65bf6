"""Where the bytes of a downloaded file go."""

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import httpx

from .gen.rest.errors import FileTooLarge

MOST = 10 << 20
"""The largest download in bytes, unless the caller sets another limit."""


def file_id(base: str, file: str) -> str:
    """Returns the id of a file that is given by it, or by the URL that messages and artifacts have."""
    if "/" not in file:
        return file
    found = re.fullmatch(r"/api/files/([^/?#]+)", file.removeprefix(base))
    if found is None:
        raise ValueError("the file is not one of this server: give its id, or a URL of the form /api/files/…")
    return found[1]


class Sink:
    """Takes the bytes of a file up to a limit: in memory, or in a temporary file that is renamed at the end."""

    def __init__(self, most: int, path: str | os.PathLike[str] | None = None) -> None:
        self._most, self._size = most, 0
        self._pieces: list[bytes] = []
        self._path = None if path is None else Path(path)
        self._file: BinaryIO | None = None
        if self._path is not None:
            handle, self._name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name + ".", suffix=".part")
            self._file = open(handle, "wb")  # noqa: SIM115

    def begin(self, response: httpx.Response) -> None:
        """Refuses a response that says that it is too large."""
        length = response.headers.get("Content-Length", "")
        self._check(int(length) if length.isdigit() else 0)

    def write(self, piece: bytes) -> None:
        self._size += len(piece)
        self._check(self._size)
        if self._file is None:
            self._pieces.append(piece)
        else:
            self._file.write(piece)

    def _check(self, size: int) -> None:
        if size > self._most:
            raise FileTooLarge(f"the file is larger than {self._most} bytes: set max_bytes", status=0, code="FILE_TOO_LARGE")

    def content(self) -> bytes:
        return b"".join(self._pieces)

    def end(self) -> Path:
        """Gives the file its name, and returns its absolute path."""
        assert self._file is not None and self._path is not None
        self._file.close()
        os.replace(self._name, self._path)
        return self._path.absolute()

    def discard(self) -> None:
        """Removes what was written, unless it has its name."""
        if self._file is not None:
            self._file.close()
            with suppress(FileNotFoundError):
                os.unlink(self._name)
