"""Stores of positions: where a listener continues after its process was restarted.

A position is the `cursor` of the last event that was handled. It belongs to the event log of an
org. Any object with the methods of `PositionStore` or `AsyncPositionStore` is a store.
"""

import json
import os
import tempfile
import threading
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from typing import Protocol


class PositionError(Exception):
    """A position store failed. It ends the listener, since a restart would not continue where it was."""


class PositionStore(Protocol):
    """Keeps positions under keys. An AsyncClient calls its methods in a thread."""

    def load(self, key: str, /) -> str | None:
        """Returns the position that was saved last; None if there is none."""
        ...

    def save(self, key: str, position: str, /) -> None:
        """Keeps the position. It is called for one listener at a time."""
        ...


class AsyncPositionStore(Protocol):
    """A PositionStore for asyncio."""

    def load(self, key: str, /) -> Awaitable[str | None]: ...

    def save(self, key: str, position: str, /) -> Awaitable[None]: ...


class MemoryPositionStore:
    """Keeps positions as long as the process runs."""

    def __init__(self) -> None:
        self._positions: dict[str, str] = {}

    def load(self, key: str, /) -> str | None:
        return self._positions.get(key)

    def save(self, key: str, position: str, /) -> None:
        self._positions[key] = position


class FilePositionStore:
    """Keeps positions in a JSON file, as an object of strings.

    A save writes a temporary file in the same folder and renames it, so that the file is whole
    at any time. The file is for one process; within it, any number of listeners can use one store.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()

    def load(self, key: str, /) -> str | None:
        with self._lock:
            return self._read().get(key)

    def save(self, key: str, position: str, /) -> None:
        with self._lock:
            content = json.dumps({**self._read(), key: position}, ensure_ascii=False, indent=1).encode()
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name + ".", suffix=".tmp")
            try:
                with open(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, self._path)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(name)
                raise

    def _read(self) -> dict[str, str]:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            positions = json.loads(content)
        except ValueError:
            positions = None
        if not isinstance(positions, dict) or not all(isinstance(p, str) for p in positions.values()):
            raise ValueError(f"the file of positions {self._path} is not a JSON object of strings: repair or remove it")
        return positions
