# SPDX-License-Identifier: Apache-2.0
"""What went wrong, and how goals went, in a recording: one list in the order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from swm_core.records.names import DIAGNOSTICS, GOAL_STATUS, GUARD_STATUS, ROSOUT
from swm_core.records.reader import Recording

INFO, WARNING, ERROR = "info", "warning", "error"
GOAL_LEVELS = {  # GoalStatus.state: name, level
    1: ("accepted", INFO), 2: ("refused", ERROR), 3: ("active", INFO), 4: ("motion held", WARNING),
    5: ("succeeded", INFO), 6: ("aborted", ERROR), 7: ("canceled", INFO), 8: ("preempted", INFO),
}  # fmt: skip
GUARD_LEVELS = {0: INFO, 1: INFO, 2: WARNING, 3: ERROR}  # GuardStatus.state
GUARD_NAMES = {0: "waiting", 1: "commands pass", 2: "holding: no fresh command", 3: "emergency stop latched"}
LOG_LEVELS = {30: WARNING, 40: ERROR, 50: ERROR}  # rcl_interfaces/Log


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        time: since the recording began, s.
        level: "info", "warning" or "error".
        source: who told it.
        text: what.
    """

    time: float
    level: str
    source: str
    text: str


def events(recording: Recording) -> list[Event]:
    """Goals, changes of the guard and of diagnostics, and warnings of the log; what repeats is told once."""
    found = [*_goals(recording), *_guard(recording), *_diagnostics(recording), *_log(recording)]
    return sorted(found, key=lambda event: event.time)


def _time(recording: Recording, received: int) -> float:
    return (received - recording.begin) / 1e9


def _goals(recording: Recording) -> Iterator[Event]:
    told = None
    for logged in recording.of(GOAL_STATUS):
        status = logged.message
        now = (status.goal_id, status.state)
        if status.state in GOAL_LEVELS and now != told:
            name, level = GOAL_LEVELS[status.state]
            text = ": ".join(part for part in (name, status.task, status.message) if part)
            yield Event(_time(recording, logged.received), level, "goal", text)
        told = now


def _guard(recording: Recording) -> Iterator[Event]:
    state, message = None, ""
    for logged in recording.of(GUARD_STATUS):
        status = logged.message
        if status.state != state or status.message != message:
            level = WARNING if status.message != message and status.state == state else GUARD_LEVELS[status.state]
            text = "; ".join(part for part in (GUARD_NAMES[status.state], status.message) if part)
            yield Event(_time(recording, logged.received), level, "guard", text)
        state, message = status.state, status.message


def _diagnostics(recording: Recording) -> Iterator[Event]:
    levels: dict[str, int] = {}
    for logged in recording.of(DIAGNOSTICS):
        for status in logged.message.status:
            level = status.level if isinstance(status.level, int) else status.level[0]
            before, levels[status.name] = levels.get(status.name, 0), level
            if level != before:
                kind = {0: INFO, 1: WARNING}.get(level, ERROR)
                yield Event(_time(recording, logged.received), kind, status.name, status.message)


def _log(recording: Recording) -> Iterator[Event]:
    last: dict[str, str] = {}
    for logged in recording.of(ROSOUT):
        line = logged.message
        if line.level in LOG_LEVELS and last.get(line.name) != line.msg:
            last[line.name] = line.msg
            yield Event(_time(recording, logged.received), LOG_LEVELS[line.level], line.name, line.msg)
