# SPDX-License-Identifier: Apache-2.0
"""The page's server: NiceGUI on loopback, on a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from nicegui import ui

from swm_core.errors import ConfigError
from swm_ros.web.origin import OnlyFromHere
from swm_ros.web.page import Page

if TYPE_CHECKING:
    from swm_ros.web.web_monitor_node import WebMonitor

HOST = "127.0.0.1"  # nobody else: whoever reaches the page moves the robot
LOOK = 0.02  # s between looks for a new frame
PART = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"


class Server:
    """Serves the page and the frames (as multipart JPEG, which every browser shows in an image)."""

    def __init__(self, node: WebMonitor, port: int) -> None:
        """Prepare.

        Raises:
            ConfigError: the port is taken.
        """
        self._node = node
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise ConfigError(f"port {port} is taken ({error.strerror}); choose another one") from error
        app = FastAPI(title="SWM")
        app.get("/frames")(self.frames)
        ui.page("/")(lambda: Page(node).build())
        ui.run_with(app, title="SWM", dark=True, show_welcome_message=False)
        app.add_middleware(OnlyFromHere)
        config = uvicorn.Config(app, HOST, port, log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._server.should_exit = True
        self._thread.join(5.0)

    async def frames(self) -> StreamingResponse:
        """The frames as they come."""
        return StreamingResponse(self._parts(), media_type="multipart/x-mixed-replace; boundary=frame")

    async def _parts(self) -> AsyncIterator[bytes]:
        seen, sent = self._node.seen, 0
        seen.viewers += 1
        try:
            while not self._server.should_exit:
                if seen.number != sent and seen.frame:
                    sent = seen.number
                    yield PART + seen.frame + b"\r\n"
                await asyncio.sleep(LOOK)
        finally:
            seen.viewers -= 1
