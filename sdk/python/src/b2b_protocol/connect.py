"""Messages, enums and clients for Connect. It needs the extra `connect` of the package."""

from .gen.connect import *  # noqa: F403
from .gen.connect import __all__ as __all__
