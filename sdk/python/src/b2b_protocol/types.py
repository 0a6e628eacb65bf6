"""The types of wire JSON: requests, responses, events and webhooks. Times are Unix milliseconds."""

from .gen.rest.types import *  # noqa: F403
from .gen.rest.types import __all__ as __all__
