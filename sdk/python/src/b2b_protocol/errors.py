"""Errors of the server: B2BError and a class for each code of the catalogue. ResponseTooLarge is one of the client."""

from ._error import ResponseTooLarge as ResponseTooLarge
from .gen.rest import errors as _generated
from .gen.rest.errors import *  # noqa: F403

__all__ = ["ResponseTooLarge"]
__all__ += _generated.__all__
