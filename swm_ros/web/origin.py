# SPDX-License-Identifier: Apache-2.0
"""Keeps other pages in the visitor's browser from talking to this one: whoever reaches it moves the robot."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HERE = frozenset({"127.0.0.1", "::1", "localhost"})


class OnlyFromHere:
    """ASGI middleware: answers only what was addressed to this machine by a loopback name, and by no other page.

    A foreign name in Host is one that an attacker made point here (DNS rebinding); an Origin that is not Host is
    another page that calls from within the browser, by WebSocket too, where browsers do not forbid it. Another port of
    this machine is another page, which may show anybody's content.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Guard an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with status 403 and the reason."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            host, origin = headers.get("host", ""), headers.get("origin")
            strange = ""
            if _name(host) not in HERE:
                strange = f"Host {host!r}"
            elif origin is not None and origin.partition("://")[2] != host:
                strange = f"Origin {origin!r}"
            if strange:
                if scope["type"] == "websocket":  # closed before it is accepted, which is a 403
                    await send({"type": "websocket.close", "code": 1008})
                else:
                    refusal = PlainTextResponse(f"only for the page itself, not {strange}\n", 403)
                    await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # "[" without its "]"
        return ""
