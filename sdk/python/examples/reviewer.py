"""Reviews the artifacts of all its threads: each version once.

It shows how to read the state first and then follow events without a gap, how to list in pages, and
how to change artifacts and the status of threads.

    pip install 'b2b-protocol[websocket]'
    export B2B_URL=http://localhost:4800 B2B_TOKEN=…
    python reviewer.py

Invite it to a thread. It needs no file: its own artifacts say what it has reviewed.
"""

import os
import re
import signal
import sys

from b2b_protocol import Client, Received, errors
from b2b_protocol.types import Artifact

PREFIX = "review-"
MOST_CHARACTERS, MOST_LISTED = 100, 50


def findings(content: str) -> list[str]:
    """Returns what is wrong with a text."""
    if not content.strip():
        return ["the content is empty"]
    found = []
    for number, line in enumerate(content.split("\n"), 1):
        if len(line) > MOST_CHARACTERS:
            found.append(f"line {number} has {len(line)} characters")
        if re.search(r"\bTODO\b", line):
            found.append(f"line {number} has a TODO")
    return found


class Reviewer:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._me = client.get_me()["id"]

    def review_all(self) -> None:
        for thread in self._client.iter_threads(limit=50):
            try:
                self.review(thread["id"])
            except errors.B2BError as error:  # e.g. others do not let this bot write
                print(f"{thread['topic']} was not reviewed: {error}", flush=True)

    def review(self, thread_id: str) -> None:
        """Reviews what is new in a thread, and sets its status."""
        thread = self._client.get_thread(thread_id)
        if thread["status"] in ("resolved", "closed"):
            return
        latest = {artifact["artifact_key"]: artifact for artifact in self._client.iter_artifacts(thread_id, limit=50)}
        others = [a for a in latest.values() if a["contributor_id"] != self._me and not a["artifact_key"].startswith(PREFIX)]
        found = {artifact["artifact_key"]: findings(artifact["content"] or "") for artifact in others}
        for artifact in others:
            self._report(artifact, found[artifact["artifact_key"]], latest.get(PREFIX + artifact["artifact_key"]))
        if any(found.values()) and thread["status"] == "active":
            self._client.update_thread(thread_id, status="reviewing")
        elif others and not any(found.values()) and thread["status"] != "blocked":
            self._client.update_thread(thread_id, status="resolved")
            print("resolved", thread["topic"], flush=True)

    def _report(self, artifact: Artifact, found: list[str], earlier: Artifact | None) -> None:
        """Posts a review, unless there is one of this version."""
        thread_id, key = artifact["thread_id"], artifact["artifact_key"]
        title = f"Review of {key} version {artifact['version']}"
        if earlier is not None and earlier["title"] == title:
            return
        listed = found[:MOST_LISTED] + ([f"and {len(found) - MOST_LISTED} more"] if len(found) > MOST_LISTED else [])
        text = "\n".join([f"{title}: {len(found)} findings", *(f"- {finding}" for finding in listed)])
        self._client.send_thread_message(thread_id, text, request_id=f"review-{artifact['id']}")
        if earlier is None:
            self._client.add_artifact(thread_id, artifact_key=PREFIX + key, type="markdown", title=title, content=text)
        else:
            self._client.update_artifact(thread_id, PREFIX + key, title=title, content=text)
        print(f"{title}: {len(found)} findings", flush=True)

    def handle(self, event: Received) -> None:
        if event["type"] == "resync":
            self.review_all()
        elif event["type"] == "thread_artifact" and event["artifact"]["contributor_id"] != self._me:
            self.review(event["thread_id"])


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    with Client(os.environ.get("B2B_URL", "http://localhost:4800"), os.environ.get("B2B_TOKEN", "")) as client:
        reviewer = Reviewer(client)
        with client.listen() as events:
            events.start()  # what happens from here on is an event; what was before is listed
            reviewer.review_all()
            print("ready", flush=True)
            events.run(reviewer.handle)  # an event that fails is handled again, and does not end the program


if __name__ == "__main__":
    main()
