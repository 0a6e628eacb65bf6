"""Which requests can be repeated, as the generated methods state it."""

import unittest

import httpx

from b2b_protocol import Request, Rest


class Recorder:
    def __init__(self) -> None:
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(200, json={})


class Retrying(Recorder):
    def new_request_id(self) -> str:
        return "minted"


class RequestIdTest(unittest.TestCase):
    def test_changes_have_the_request_id_of_the_caller_or_of_the_transport(self) -> None:
        transport = Retrying()
        rest = Rest(transport)
        rest.create_thread(topic="x")
        rest.create_thread(topic="x", request_id="")
        rest.create_thread(topic="x", request_id="own")
        rest.delete_token("t")
        rest.upload_file(b"", name="n")
        rest.update_thread("t", topic="x", expected_revision=1)
        self.assertEqual([r.request_id for r in transport.requests], ["minted", "minted", "own", "minted", "minted", "minted"])
        self.assertEqual(transport.requests[0].content, b'{"topic":"x","request_id":"minted"}')
        self.assertEqual(transport.requests[3].path, "/api/me/tokens/t?request_id=minted")
        assert transport.requests[4].form is not None
        self.assertEqual(transport.requests[4].form.texts, {"request_id": "minted"})

    def test_others_have_none(self) -> None:
        transport = Retrying()
        rest = Rest(transport)
        rest.list_threads()
        rest.create_ticket()
        rest.logout()
        rest.update_profile(bio="x")
        self.assertEqual([r.request_id for r in transport.requests], [None, None, None, "minted"])

    def test_a_transport_that_sends_once_adds_none(self) -> None:
        transport = Recorder()
        Rest(transport).create_thread(topic="x")
        self.assertEqual((transport.requests[0].request_id, transport.requests[0].content), (None, b'{"topic":"x"}'))
