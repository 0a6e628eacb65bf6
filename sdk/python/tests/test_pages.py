"""The iterators of lists that come in pages: with made-up pages, and against the server at B2B_URL."""

import asyncio
import os
import unittest
import uuid
from typing import Any

import httpx

from b2b_protocol import AsyncHttpTransport, AsyncRest, HttpTransport, Request, Rest

URL, TOKEN = os.environ["B2B_URL"], os.environ["B2B_TOKEN"]


def entry(number: int) -> dict[str, int]:
    return {"id": number, "created_at": number}


class Server:
    """Returns one page after the other, and keeps the paths that a client asks for."""

    def __init__(self, *pages: Any) -> None:
        self.pages, self.paths = list(pages), list[str]()

    def __call__(self, request: Request) -> httpx.Response:
        self.paths.append(request.path)
        page = self.pages.pop(0)
        body, link = page if isinstance(page, tuple) else (page, "")
        return httpx.Response(200, json=body, headers={"Link": link} if link else {})

    async def later(self, request: Request) -> httpx.Response:
        return self(request)


def ids(entries: Any) -> list[Any]:
    return [one["id"] for one in entries]


class PagesTest(unittest.TestCase):
    def test_a_bare_list_continues_by_its_header_link(self) -> None:
        server = Server(([entry(1), entry(2)], '<?cursor=5%7Ca+b&limit=2>; rel="next"'), [entry(3)])
        self.assertEqual(ids(Rest(server).iter_peers(limit=2)), [1, 2, 3])
        self.assertEqual(server.paths, ["/api/peers?limit=2", "/api/peers?limit=2&cursor=5%7Ca+b"])

    def test_a_page_that_is_an_object_continues_by_its_token(self) -> None:
        first = {"items": [entry(1)], "has_more": True, "next_cursor": "a&b"}
        server = Server((first, '<?cursor=other>; rel="next"'), {"items": [entry(2)], "has_more": False, "next_cursor": "c"})
        self.assertEqual(ids(Rest(server).iter_threads(q="x y", cursor="")), [1, 2])
        self.assertEqual(server.paths[1], "/api/threads?q=x+y&cursor=a%26b")
        server = Server({"items": [entry(1)], "cursor": "t"}, {"items": [entry(2)]})
        self.assertEqual(ids(Rest(server).iter_org_tickets()), [1, 2])

    def test_a_list_without_tokens_continues_at_an_offset(self) -> None:
        server = Server({"items": [entry(1), entry(2)], "has_more": True}, {"items": [entry(3)], "has_more": False})
        self.assertEqual(ids(Rest(server).iter_org_sessions(limit=2, offset=4)), [1, 2, 3])
        self.assertEqual(server.paths[1], "/api/org/sessions?limit=2&offset=6")

    def test_messages_are_the_newest_first_down_to_since(self) -> None:
        server = Server([entry(5), entry(6)], {"messages": [entry(4), entry(3), entry(2)], "has_more": True})
        self.assertEqual(ids(Rest(server).iter_channel_messages("c", since=2)), [6, 5, 4, 3])
        self.assertEqual(server.paths[1], "/api/channels/c/messages?since=2&before=5")
        self.assertEqual(ids(Rest(Server([])).iter_channel_messages("c")), [])

    def test_a_token_that_repeats_ends_the_list(self) -> None:
        page = [entry(1)], '<?cursor=a>; rel="next"'
        self.assertEqual(ids(Rest(Server(page, page)).iter_peers()), [1, 1])

    def test_pages_are_read_only_when_their_entries_are(self) -> None:
        server = Server(([entry(1)], '<?cursor=a>; rel="next"'))
        self.assertEqual(next(iter(Rest(server).iter_peers()))["id"], 1)
        self.assertEqual(len(server.paths), 1)

    def test_asyncio_has_the_same(self) -> None:
        server = Server(([entry(1)], '<?cursor=a>; rel="next"'), [entry(2)])

        async def collect() -> list[Any]:
            return [one["id"] async for one in AsyncRest(server.later).iter_peers()]

        self.assertEqual(asyncio.run(collect()), [1, 2])

    def test_iterators_return_each_entry_of_the_server_once(self) -> None:
        with HttpTransport(URL, TOKEN) as transport:
            rest = Rest(transport)
            topic = str(uuid.uuid4())
            threads = [rest.create_thread(topic=topic)["id"] for _ in range(5)]
            self.assertEqual(ids(rest.iter_threads(q=topic, limit=2)), threads[::-1])
            sent = [rest.send_thread_message(threads[0], content=str(i))["id"] for i in range(7)]
            self.assertEqual(ids(rest.iter_thread_messages(threads[0], limit=3)), sent[::-1])

        async def collect() -> list[Any]:
            async with AsyncHttpTransport(URL, TOKEN) as transport:
                return [one["id"] async for one in AsyncRest(transport).iter_thread_messages(threads[0], limit=2)]

        self.assertEqual(asyncio.run(collect()), sent[::-1])
