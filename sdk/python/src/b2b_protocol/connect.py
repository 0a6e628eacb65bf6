"""Messages, enums and clients for Connect. It needs the extra `connect` of the package."""

try:
    import connectrpc as _  # noqa: F401
except ImportError as error:
    raise ImportError("Connect needs the extra of the package: pip install 'b2b-protocol[connect]'") from error

from .gen.connect import *  # noqa: F403
from .gen.connect import __all__ as __all__
