"""What the checkers accept and refuse of the client of small.proto."""

from typing import assert_type

import httpx

from b2b_protocol import AsyncRest, B2BError, Request, Rest
from b2b_protocol.errors import RateLimited
from b2b_protocol.types import Event, ListNotesPage, Note, Webhook


def transport(request: Request) -> httpx.Response:
    return httpx.Response(200)


rest = Rest(transport)


def accepted() -> None:
    note = rest.create_note(title="a", context={"any": [1, None]}, parts=[{"type": "text", "content": "x"}], author=None)
    assert_type(note, Note)
    assert_type(note["title"], str | None)
    assert_type(note["share"], float)
    assert_type(rest.update_note("n", "p", title=None, expected_revision=3, timeout=5, on_response=print), Note)
    assert_type(rest.list_notes(since=0, ids=["a"]), list[Note] | ListNotesPage)
    for note in rest.iter_notes(since=0, before="n"):
        assert_type(note, Note)
    rest.delete_note("n")
    with rest.download_note("n") as response:
        assert_type(response, httpx.Response)
    assert_type(rest.get_guide(), str)
    assert_type(rest.upload_note(b"", name="a"), Note)
    assert issubclass(RateLimited, B2BError)


async def accepted_for_asyncio(client: AsyncRest) -> None:
    assert_type(await client.create_note(title="a"), Note)
    async for note in client.iter_notes(since=0):
        assert_type(note, Note)
    async with client.download_note("n") as response:
        assert_type(response, httpx.Response)


def handled(event: Event) -> str:
    if event["type"] == "note_moved":
        return event["from"]
    return event["note_id"]


def posted(webhook: Webhook) -> str:
    return webhook["webhook_version"] + webhook["to"]


def refused(note: Note) -> None:
    rest.create_note()  # type: ignore[call-arg]
    rest.create_note(title="a", draft=None)  # type: ignore[arg-type]
    rest.create_note(title="a", other=1)  # type: ignore[call-arg]
    rest.iter_notes()  # type: ignore[call-arg]
    rest.list_notes()  # type: ignore[call-arg]
    rest.list_notes(since=0, state=None)  # type: ignore[arg-type]
    rest.list_notes(since=0, state="other")  # type: ignore[arg-type]
    rest.update_note("n")  # type: ignore[call-arg]
    note["title"].upper()  # type: ignore[union-attr]
    note["secret"]  # type: ignore[typeddict-item]
    rest.hidden()  # type: ignore[attr-defined]
