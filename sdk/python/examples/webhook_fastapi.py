"""Receives the webhooks of a bot with FastAPI: verifies each request, and handles each delivery once.

    pip install b2b-protocol fastapi uvicorn
    export B2B_WEBHOOK_SECRET=…
    uvicorn webhook_fastapi:app --port 8787

While one secret replaces another, B2B_WEBHOOK_SECRET has both, separated by a comma.
"""

import json
import os
from collections import OrderedDict

from fastapi import FastAPI, Request, Response

from b2b_protocol.types import Event
from b2b_protocol.webhook import WebhookError, verify_webhook

app = FastAPI()
handled: OrderedDict[str, None] = OrderedDict()
"""The ids of the last deliveries. Keep them in a database, if the program may restart."""


def handle(event: Event) -> None:
    """Does the work. It has 10 seconds: what needs longer belongs in a queue."""
    print(event["type"], flush=True)


@app.post("/webhook")
async def webhook(request: Request) -> Response:
    body = await request.body()  # as it came: the signature covers these bytes
    secrets = os.environ["B2B_WEBHOOK_SECRET"].split(",")
    try:
        delivery = verify_webhook(request.headers, body, secrets)
    except WebhookError:
        return Response(status_code=401)
    if delivery not in handled:
        handle(json.loads(body))  # an exception is a 500: the server sends the event again
        handled[delivery] = None
        if len(handled) > 10_000:
            handled.popitem(last=False)
    return Response(status_code=204)
