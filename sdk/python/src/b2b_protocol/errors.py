"""Errors of the server: B2BError and a class for each code of the catalogue."""

from .gen.rest.errors import *  # noqa: F403
from .gen.rest.errors import __all__ as __all__
