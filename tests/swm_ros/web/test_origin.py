# SPDX-License-Identifier: Apache-2.0
"""Other pages cannot talk to the page through the visitor's browser."""

import asyncio

import pytest

pytest.importorskip("starlette")
from swm_ros.web.origin import OnlyFromHere


def answer(kind: str, **headers: str) -> list[dict]:
    """What is answered to a request."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": "passed"})

    async def receive():
        return {}

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}
    asyncio.run(OnlyFromHere(app)(scope, receive, send))
    return sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "127.0.0.1:8080"},
        {"host": "localhost:8080"},
        {"host": "localhost:8080", "origin": "http://localhost:8080"},
        {"host": "[::1]:8080", "origin": "http://[::1]:8080"},
    ],
)
def test_the_page_itself_passes(kind, headers):
    assert answer(kind, **headers) == [{"type": "passed"}]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "evil.example:8080"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "localhost@evil.example"},
        {"host": "["},
        {"host": "127.0.0.1:8080", "origin": "http://evil.example"},
        {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:9000"},
        {"host": "127.0.0.1:8080", "origin": "["},
        {"host": "127.0.0.1:8080", "origin": "http://localhost.evil.example"},
        {"host": "127.0.0.1:8080", "origin": "null"},
    ],
)
def test_others_are_refused(headers):
    start, body = answer("http", **headers)
    assert start["status"] == 403
    assert b"only for the page itself" in body["body"]
    assert answer("websocket", **headers) == [{"type": "websocket.close", "code": 1008}]
