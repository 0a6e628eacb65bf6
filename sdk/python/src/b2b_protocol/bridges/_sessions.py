"""What a framework keeps of a conversation, for as many conversations as there is room for."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Sessions(Generic[T]):
    """Values by the key of a conversation. When there are more than most, the one used least lately is forgotten."""

    def __init__(self, most: int = 1000) -> None:
        if most < 1:
            raise ValueError("most must be 1 or more")
        self._most = most
        self._values: dict[str, T] = {}

    def get(self, key: str) -> T | None:
        """Returns the value of a conversation; None: there is none."""
        value = self._values.pop(key, None)
        if value is not None:
            self._values[key] = value
        return value

    def put(self, key: str, value: T) -> None:
        """Keeps the value of a conversation, in place of the one before."""
        self._values.pop(key, None)
        self._values[key] = value
        while len(self._values) > self._most:
            del self._values[next(iter(self._values))]

    def pop(self, key: str) -> T | None:
        """Returns the value of a conversation, and forgets it; None: there is none."""
        return self._values.pop(key, None)
