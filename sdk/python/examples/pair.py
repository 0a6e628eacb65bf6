"""Two agents that work together in a thread: one has a task, the other does it.

It shows mentions, artifacts as results, and the status of a thread as a protocol between agents.

    pip install 'b2b-protocol[websocket]'
    export B2B_URL=http://localhost:4800
    B2B_TOKEN=… python pair.py worker            # --once: ends with its first thread
    B2B_TOKEN=… python pair.py planner WORKER    # WORKER is the name of the worker's bot
"""

import os
import re
import signal
import sys

from b2b_protocol import Client, Received, errors

NUMBERS = [3, 4, 5]


def plan(client: Client, worker: str) -> int:
    """Gives the worker a task, and waits for its result. Returns the exit status."""
    with client.listen() as events:
        events.start()  # before the task, so that the result cannot be missed
        print("ready", flush=True)
        thread = client.create_thread(topic="Sum", participants=[worker])["id"]
        client.send_thread_message(thread, f"@{worker} sum: {' '.join(map(str, NUMBERS))}")
        for event in events:
            if event["type"] != "resync" and not (event["type"] == "thread_artifact" and event["thread_id"] == thread):
                continue
            results = [a["content"] for a in client.iter_artifacts(thread) if a["artifact_key"] == "result"]
            if results and results != [str(sum(NUMBERS))]:
                client.send_thread_message(thread, f"@{worker} {results[0]} is wrong")
                break
            if results:
                client.update_thread(thread, status="resolved")
                print("resolved:", results[0], flush=True)
                return 0
    return 1


class Worker:
    def __init__(self, client: Client) -> None:
        self._client, self._me = client, client.get_me()["id"]
        self._open = set[str]()
        """The threads of its tasks."""

    def handle(self, event: Received) -> bool:
        """Handles an event, and reports whether it ended a thread of a task."""
        if event["type"] == "thread_status_changed" and event["to"] in ("resolved", "closed") and event["thread_id"] in self._open:
            self._open.remove(event["thread_id"])
            print("ended", event["topic"], flush=True)
            return True
        if event["type"] == "thread_message":
            message = event["message"]
            task = re.search(r"sum:((?:\s+-?\d{1,15})+)", message["content"])
            if task and message["sender_id"] != self._me and any(m["bot_id"] == self._me for m in message["mentions"]):
                self._open.add(event["thread_id"])
                self._client.reply(event, "working on it", request_id=f"work-{message['id']}")
                self._deliver(event["thread_id"], str(sum(map(int, task[1].split()))))
        return False

    def _deliver(self, thread: str, result: str) -> None:
        try:
            try:
                self._client.add_artifact(thread, artifact_key="result", content=result)
            except errors.Conflict:  # of an earlier task in this thread
                self._client.update_artifact(thread, "result", content=result)
            self._client.update_thread(thread, status="reviewing")
        except (errors.InvalidTransition, errors.ThreadClosed):
            pass  # the planner was quicker, or the thread is being reviewed
        print("result:", result, flush=True)


def work(client: Client, once: bool) -> int:
    worker = Worker(client)
    with client.listen() as events:
        events.start()
        print("ready", flush=True)
        for event in events:
            try:
                if worker.handle(event) and once:
                    return 0
            except errors.B2BError as error:  # one task that fails does not end the worker
                print("failed:", error, file=sys.stderr, flush=True)
    return 0


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    with Client(os.environ.get("B2B_URL", "http://localhost:4800"), os.environ.get("B2B_TOKEN", "")) as client:
        match sys.argv[1:]:
            case ["planner", worker]:
                return plan(client, worker)
            case ["worker", *options] if options in ([], ["--once"]):
                return work(client, once=bool(options))
    print("usage: pair.py planner WORKER | pair.py worker [--once]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
