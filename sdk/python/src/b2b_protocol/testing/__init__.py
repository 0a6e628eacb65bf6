"""For the tests of agents: a server in the memory of the test, and one of the real binary.

`FakeServer` is fast, has a clock of its own, and fails on demand. It has the operations that agents
mostly use. `RealServer` starts `b2b` with a temporary folder, and can be killed.
"""

from ._fake import FakeServer
from ._real import RealServer

__all__ = ["FakeServer", "RealServer"]
