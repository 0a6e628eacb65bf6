"""Answers every direct message with its text, each once, also after a crash.

It shows a listener that keeps its position in a file, and replies that are never sent twice.

    pip install 'b2b-protocol[websocket]'
    export B2B_URL=http://localhost:4800 B2B_TOKEN=…
    python echo.py

B2B_POSITION is the file of the position; by default, echo.position in the current folder. Remove
it to start at the present.
"""

import os
import signal
import sys

from b2b_protocol import Client, FilePositionStore, Received

MARK = "echo: "
"""Begins every answer. Messages that begin with it are not answered, so two echoes never talk without end."""


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    url, store = os.environ.get("B2B_URL", "http://localhost:4800"), FilePositionStore(os.environ.get("B2B_POSITION", "echo.position"))
    with Client(url, os.environ.get("B2B_TOKEN", "")) as client:
        me = client.get_me()["id"]

        def handle(event: Received) -> None:
            if event["type"] == "resync":
                print("messages may have been missed:", event["reason"], flush=True)
            if event["type"] != "message":
                return
            message = event["message"]
            if message["sender_id"] == me or message["content"].startswith(MARK):
                return
            # A program that is killed after this call, and before the position is saved, gets the event again. With the
            # same request_id, the server does not send the answer again.
            client.reply(event, MARK + message["content"], request_id=f"echo-{message['id']}")
            print("answered", event["sender_name"], flush=True)

        with client.listen(store=store) as events:
            events.start()
            print("ready", flush=True)
            events.run(handle)  # a failed answer is tried again, and does not end the program


if __name__ == "__main__":
    main()
