# SPDX-License-Identifier: Apache-2.0
"""Keeps other sites' pages in the visitor's browser from talking to the page: whoever reaches it moves the robot."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HERE = frozenset({"127.0.0.1", "localhost"})


class OnlyFromHere:
    """ASGI middleware: answers only what was addressed to this machine by one of its own names, by pages from there.

    A foreign name in Host is one that an attacker made point here (DNS rebinding); a foreign Origin is another page
    that calls from within the browser, by WebSocket too, where browsers do not forbid it.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Guard an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with status 403 and the reason."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            said = {"Host": f"//{headers.get('host', '')}"}
            said |= {"Origin": headers["origin"]} if "origin" in headers else {}
            strange = [f"{name} {url.lstrip('/')!r}" for name, url in said.items() if _host(url) not in HERE]
            if strange:
                if scope["type"] == "websocket":  # closed before it is accepted, which is a 403
                    await send({"type": "websocket.close", "code": 1008})
                else:
                    refusal = PlainTextResponse(f"only for pages from this machine, not {strange[0]}\n", 403)
                    await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # "[" without its "]"
        return ""
