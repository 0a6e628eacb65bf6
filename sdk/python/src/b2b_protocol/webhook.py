"""Verification of webhook requests."""

import base64
import binascii
import hmac
import re
import time
from collections.abc import Iterable
from typing import Protocol

TOLERANCE = 5 * 60
"""The allowed difference between the time of a request and of the receiver, in seconds."""


_NUMBER = re.compile(r"[0-9]{1,15}")


class WebhookError(ValueError):
    """A webhook request has no valid signature, or its time is outside TOLERANCE."""


class Headers(Protocol):
    """The headers of a request: a dict, or an object of a framework."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Returns their names and values."""
        ...


def verify_webhook(headers: Headers, body: bytes | str, secret: str | Iterable[str], now: float | None = None) -> str:
    """Checks a request with these headers and this exact body, and returns its delivery id.

    The request must be signed with the webhook secret of the bot, at most TOLERANCE before
    or after now (Unix seconds). While one secret replaces another, give both. Ignore an id that you
    have processed before: that is a retry or a replay. Signatures are compared in constant time.

    A request without the header webhook-signature is verified by X-Hub-Signature-256, which covers
    no id: the id is that signature, and a retry has another (B2B-SDK-035).
    """
    found = {name.lower(): value for name, value in headers.items()}
    content = body.encode() if isinstance(body, str) else body
    secrets = [one for one in ([secret] if isinstance(secret, str) else secret) if one]
    now = time.time() if now is None else now
    verify = _standard if found.get("webhook-signature") else _hub
    delivery = verify(found, content, secrets, now)
    if not delivery:
        raise WebhookError("the webhook's signature or time is not valid")
    return delivery


def _standard(headers: dict[str, str], content: bytes, secrets: list[str], now: float) -> str:
    """Returns the delivery id, empty if the request is not valid (B2B-HOOK-005)."""
    delivery, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not _NUMBER.fullmatch(stamp) or abs(now - int(stamp)) > TOLERANCE:
        return ""
    signed = f"{delivery}.{stamp}.".encode() + content
    wanted = [hmac.digest(_key(one), signed, "sha256") for one in secrets]
    for signature in headers["webhook-signature"].split():
        if signature.startswith("v1,"):
            got = _decode(signature[3:])
            if got is not None and any([hmac.compare_digest(got, want) for want in wanted]):
                return delivery
    return ""


def _hub(headers: dict[str, str], content: bytes, secrets: list[str], now: float) -> str:
    """Returns the signature, empty if the request is not valid (B2B-HOOK-004)."""
    signature, stamp = headers.get("x-hub-signature-256", ""), headers.get("x-hub-timestamp", "")
    if not _NUMBER.fullmatch(stamp) or abs(now - int(stamp) / 1000) > TOLERANCE:
        return ""
    signed = f"{stamp}.".encode() + content
    wanted = [f"sha256={hmac.digest(one.encode(), signed, 'sha256').hex()}" for one in secrets]
    valid = any([hmac.compare_digest(signature.encode(), want.encode()) for want in wanted])
    return signature if valid else ""


def _key(secret: str) -> bytes:
    """Returns the key of a secret: the decoded part of whsec_<base64>, else its bytes."""
    if secret.startswith("whsec_"):
        key = _decode(secret[6:])
        if key is not None:
            return key
    return secret.encode()


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
