"""Limits of what the client reads, against transports and servers of the tests."""

import asyncio
import gzip
import json
import unittest
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest.mock import patch

import httpx
from websockets.asyncio.server import ServerConnection, serve

from b2b_protocol import AsyncClient, AsyncHttpTransport, AsyncRest, Client, HttpTransport, Rest, Retry, errors
from b2b_protocol._connections import HttpNetwork, TooLarge

VALUE = {"name": "x" * 10_000}
TEXT = json.dumps(VALUE).encode()


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body without a known length. It counts what is read."""

    def __init__(self, body: bytes, times: int = 1) -> None:
        self.body, self.times, self.given, self.closed = body, times, 0, False

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.times):
            self.given += 1
            yield self.body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def bodies() -> dict[str, dict[str, Any]]:
    return {
        "length": {"content": TEXT},
        "pieces": {"stream": Pieces(TEXT)},
        "compressed": {"stream": Pieces(gzip.compress(TEXT)), "headers": {"Content-Encoding": "gzip", "Content-Length": "60"}},
    }


class ResponsesTest(unittest.TestCase):
    """B2B-SDK-039"""

    def test_a_response_that_is_too_large_is_an_error_of_its_own(self) -> None:
        for way in bodies():
            for status in (200, 400):
                with self.subTest(way=way, status=status):
                    mock = httpx.MockTransport(lambda request, way=way, status=status: httpx.Response(status, **bodies()[way]))

                    def get(most: int, mock: httpx.MockTransport = mock) -> Any:
                        with HttpTransport("http://h", max_response_bytes=most, client=httpx.Client(transport=mock)) as transport:
                            return Rest(transport).get_me()

                    async def get_async(most: int, mock: httpx.MockTransport = mock) -> Any:
                        async with AsyncHttpTransport("http://h", max_response_bytes=most, client=httpx.AsyncClient(transport=mock)) as sender:
                            return await AsyncRest(sender).get_me()

                    for call in (get, lambda most, get_async=get_async: asyncio.run(get_async(most))):
                        with self.assertRaises(errors.ResponseTooLarge) as raised:
                            call(len(TEXT) - 1)
                        self.assertEqual((raised.exception.code, raised.exception.status), ("RESPONSE_TOO_LARGE", status))
                        if status == 200:
                            self.assertEqual(call(len(TEXT)), VALUE)
                        else:
                            with self.assertRaises(errors.B2BError) as other:
                                call(len(TEXT))
                            self.assertEqual(other.exception.body, VALUE)

    def test_one_without_an_end_is_ended_and_not_tried_again(self) -> None:
        for status in (200, 503):
            body = Pieces(b"x" * 10_000, 500)
            mock = httpx.MockTransport(lambda request, status=status, body=body: httpx.Response(status, stream=body))
            with Client("http://h", "t", max_response_bytes=100_000, retry=Retry(), client=httpx.Client(transport=mock)) as client:
                with self.assertRaises(errors.ResponseTooLarge):
                    client.get_me()
                self.assertEqual((body.given, body.closed), (11, True))

                # The error of a stream has the limit, its body has not.
                body.given = 0
                if status == 200:
                    with client.get_file("f") as response:
                        self.assertEqual(len(response.read()), 5_000_000)
                else:
                    with self.assertRaises(errors.ResponseTooLarge), client.get_file("f"):
                        pass

    def test_the_same_for_asyncio(self) -> None:
        body = Pieces(b"x" * 10_000, 500)
        mock = httpx.MockTransport(lambda request: httpx.Response(200, stream=body))

        async def get() -> None:
            async with AsyncClient("http://h", "t", max_response_bytes=100_000, client=httpx.AsyncClient(transport=mock)) as client:
                await client.get_me()

        with self.assertRaises(errors.ResponseTooLarge):
            asyncio.run(get())
        self.assertEqual((body.given, body.closed), (11, True))


class WebSocketTest(unittest.TestCase):
    """B2B-SDK-040"""

    def test_a_frame_that_is_too_large_ends_the_connection(self) -> None:
        async def send(socket: ServerConnection) -> None:
            await socket.send("x" * 1000)
            await socket.send("x" * 1001)
            await socket.wait_closed()

        async def read() -> None:
            mock = httpx.MockTransport(lambda request: httpx.Response(200, json={"ticket": "t", "expires_in": 30}))
            async with serve(send, "127.0.0.1", 0) as server, httpx.AsyncClient(transport=mock) as client:
                url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
                connection = await HttpNetwork(AsyncRest(AsyncHttpTransport(url, "t", client=client)), url).websocket(None)
                try:
                    self.assertEqual(await connection.receive(), "x" * 1000)
                    with self.assertRaises(TooLarge):
                        await connection.receive()
                finally:
                    await connection.close()

        with patch("b2b_protocol._connections.LARGEST", 1000):
            asyncio.run(asyncio.wait_for(read(), 60))


if __name__ == "__main__":
    unittest.main()
