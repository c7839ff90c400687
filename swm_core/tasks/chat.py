# SPDX-License-Identifier: Apache-2.0
"""One request to an OpenAI-compatible endpoint that the user names, and no trust in what comes back.

The request ends in time and size whatever the other side does: a watchdog shuts the socket down when the time is over,
and no more than the limit is read. Redirects are not followed, so that key and goal go to the named host only. The key
comes from an environment variable; neither it nor what the endpoint says about it gets into a message.
"""

from __future__ import annotations

import json
import math
import os
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from swm_core.errors import ConfigError, GoalError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Endpoint:
    """Where a language model answers.

    Attributes:
        base_url: http or https, up to and without "/chat/completions" ("http://localhost:11434/v1").
        model: its name there.
        key_variable: environment variable that holds the key; empty to send none.
        timeout: for the whole request, s.
        largest_answer: more bytes than this are refused.
    """

    base_url: str
    model: str
    key_variable: str = ""
    timeout: float = 60.0
    largest_answer: int = 1 << 18

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ConfigError: another scheme, no host, a password in the address, a name missing, or a limit out of range.
        """
        try:
            parts = urlsplit(self.base_url)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"the endpoint's address is malformed: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise ConfigError("the endpoint's address must be http:// or https:// with a host")
        if parts.username is not None or parts.query or parts.fragment:
            raise ConfigError("the endpoint's address may hold neither a password nor a query; name a key variable")
        if not self.model:
            raise ConfigError("the endpoint needs the name of a model")
        if not (math.isfinite(self.timeout) and self.timeout > 0):
            raise ConfigError(f"the endpoint's timeout is {self.timeout} s; it must be finite and above 0")
        if self.largest_answer < 1:
            raise ConfigError(f"the endpoint's largest_answer is {self.largest_answer}; it must be above 0")

    @property
    def host(self) -> str:
        """Host name or address."""
        return urlsplit(self.base_url).hostname or ""

    def headers(self) -> dict[str, str]:
        """Headers of a request.

        Raises:
            ConfigError: the key's variable is empty, holds no key, or the key would travel unencrypted to another host.
        """
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key_variable:
            key = os.environ.get(self.key_variable, "")
            if not (key.isascii() and key.isprintable() and key and " " not in key):
                raise ConfigError(f"the environment variable {self.key_variable} holds no key")
            if urlsplit(self.base_url).scheme == "http" and self.host not in _LOOPBACK:
                raise ConfigError(f"a key goes over https only, except to this machine; {self.host} is asked by http")
            headers["Authorization"] = f"Bearer {key}"
        return headers


def read_json(text: str | bytes, what: str) -> Any:
    """JSON without NaN and Infinity.

    Raises:
        GoalError: it is none, or nested too deeply.
    """

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise GoalError(f"{what} is no valid JSON ({type(error).__name__})") from error


def complete(endpoint: Endpoint, messages: list[dict[str, str]], schema: Mapping[str, Any]) -> str:
    """What the language model says to some messages, asked for as JSON of a schema.

    Args:
        endpoint: whom to ask.
        messages: each with "role" and "content".
        schema: JSON schema; endpoints that ignore it are no error, so the answer must be checked.

    Raises:
        ConfigError: there is no key where one is wanted.
        GoalError: no connection, too late, too large, an error status, or not of the form of a completion.
    """
    form = {"type": "json_schema", "json_schema": {"name": "task", "strict": True, "schema": schema}}
    request = {"model": endpoint.model, "messages": messages, "temperature": 0, "response_format": form}
    status, body = _post(endpoint, json.dumps(request).encode())
    if status != 200:
        raise GoalError(f"{endpoint.host} answered with HTTP status {status}")
    answer = read_json(body, f"what {endpoint.host} answered")
    try:
        choice = answer["choices"][0]
        content = choice["message"]["content"]
    except (TypeError, LookupError) as error:
        raise GoalError(f"{endpoint.host} answered with something else than a completion") from error
    if choice.get("finish_reason") not in (None, "stop") or not isinstance(content, str):
        raise GoalError(f"{endpoint.host} gave no complete answer")
    return content


def _post(endpoint: Endpoint, body: bytes) -> tuple[int, bytes]:
    """Status and body of one POST, within the endpoint's limits."""
    parts = urlsplit(endpoint.base_url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(endpoint.host, parts.port, timeout=endpoint.timeout)
    over = threading.Event()
    headers = endpoint.headers()
    watchdog: threading.Timer | None = None
    try:
        connection.connect()
        watchdog = threading.Timer(endpoint.timeout, _shut_down, (connection.sock, over))
        watchdog.daemon = True
        watchdog.start()
        connection.request("POST", f"{parts.path.rstrip('/')}/chat/completions", body, headers)
        response = connection.getresponse()
        answer = response.read(endpoint.largest_answer + 1)
    except (OSError, HTTPException, ValueError) as error:
        late = over.is_set() or isinstance(error, TimeoutError)
        why = f"did not answer within {endpoint.timeout:g} s" if late else f"failed ({type(error).__name__})"
        raise GoalError(f"{endpoint.host} {why}") from error
    finally:
        if watchdog is not None:
            watchdog.cancel()
        connection.close()
    if over.is_set():
        raise GoalError(f"{endpoint.host} did not answer within {endpoint.timeout:g} s")
    if len(answer) > endpoint.largest_answer:
        raise GoalError(f"{endpoint.host} answered with more than {endpoint.largest_answer} bytes")
    return response.status, answer


def _shut_down(connected: socket.socket, over: threading.Event) -> None:
    """End a socket that another thread may be waiting for."""
    over.set()
    try:
        socket.socket.shutdown(connected, socket.SHUT_RDWR)  # TLS sockets' own would take their state away meanwhile
    except OSError:
        return  # ended by itself
