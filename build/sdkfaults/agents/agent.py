"""An agent that sends or listens, for the tests of faults. Its settings are in the environment."""

import os
import random
import signal
import sys
import threading
import time

from b2b_protocol import Client, FilePositionStore, Retry

env = os.environ
client = Client(env["B2B_URL"], env["B2B_TOKEN"], retry=Retry(attempts=30), timeout=20)


def say(*words: object) -> None:
    print(*words, flush=True)


def jump_clocks() -> None:
    """Moves the time of day of this process back and forth."""
    real, skew = time.time, [0.0]
    time.time = lambda: real() + skew[0]
    while True:
        skew[0] = random.choice([-real(), random.uniform(-1e6, 1e6)])  # to 1970, or by days
        time.sleep(0.1)


def listen() -> None:
    store = FilePositionStore(env["B2B_POSITIONS"])
    transport = env["B2B_TRANSPORT"]
    with client.listen(store=store, key="listener", position=env.get("B2B_POSITION"), transport=transport) as events:
        for event in events:
            position = event.get("cursor") or "-"
            if event["type"] == "message":
                say("event", position, event["message"]["content"])
            elif event["type"] == "resync":
                say("resync", position, event["reason"])
            else:
                say("other", position, event["type"])


def send() -> None:
    start, end = int(env["B2B_FROM"]), int(env["B2B_UNTIL"])
    for n in range(start, end):
        # Half of the sends have the request_id of this program, which repeats them; the others that of the SDK.
        own = f"{env['B2B_SEED']}-{n}" if n % 2 or n == end - 1 else None
        say("sending", n)
        while True:
            try:
                client.send(env["B2B_TO"], str(n), content_type="text", request_id=own)
                say("sent", n)
                break
            except Exception as error:
                print(n, repr(error), file=sys.stderr)
                if own is None:
                    say("failed", n)
                    break


signal.signal(signal.SIGTERM, lambda *_: sys.exit())
if env.get("B2B_CLOCK"):
    threading.Thread(target=jump_clocks, daemon=True).start()
if env["B2B_ROLE"] == "listen":
    listen()
else:
    send()
