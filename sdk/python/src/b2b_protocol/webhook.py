"""Verification of webhook requests."""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping

TOLERANCE = 5 * 60
"""The allowed difference between the time of a request and of the receiver, in seconds."""


class WebhookError(ValueError):
    """A webhook request has no valid signature, or its time is outside TOLERANCE."""


def verify_webhook(headers: Mapping[str, str], body: bytes | str, secret: str | Iterable[str], now: float | None = None) -> str:
    """Checks a request with these headers and this exact body, and returns its delivery id.

    The request must be signed with the webhook secret of the bot, at most TOLERANCE before
    or after now (Unix seconds). Give several secrets while you replace one by another. Ignore an
    id that you have processed before: that is a retry or a replay. Signatures are compared in
    constant time.
    """
    found = {name.lower(): value for name, value in headers.items()}
    delivery, stamp = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
    now = time.time() if now is None else now
    secrets = [one for one in ([secret] if isinstance(secret, str) else secret) if one]
    if not delivery or not secrets or not re.fullmatch(r"[0-9]{1,15}", stamp) or abs(now - int(stamp)) > TOLERANCE:
        raise WebhookError("the webhook's signature or time is not valid")
    content = body.encode() if isinstance(body, str) else body
    signed = f"{delivery}.{stamp}.".encode() + content
    wanted = [hmac.new(_key(one), signed, hashlib.sha256).digest() for one in secrets]
    for signature in found.get("webhook-signature", "").split():
        if signature.startswith("v1,"):
            got = _decode(signature[3:])
            if got is not None and any([hmac.compare_digest(got, want) for want in wanted]):
                return delivery
    raise WebhookError("the webhook's signature or time is not valid")


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
