# SPDX-License-Identifier: Apache-2.0
"""A recording cut into pursuits: the time in which one goal was pursued in one episode, as states and actions."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from swm_core.environment import EnvironmentSpec
from swm_core.errors import RecordingError
from swm_core.records.messages import action_from_command, nanoseconds, scene_from_message
from swm_core.records.names import COMMAND_SAFE, EFFECTOR_POSE, EPISODE_STATUS, GOAL_STATUS, OBSERVATION, SCENE_STATE
from swm_core.records.reader import Logged, RecordedGoal, Recording
from swm_core.scene import SceneState

ENDED = (5, 6, 7, 8)  # GoalStatus: SUCCEEDED, ABORTED, CANCELED, PREEMPTED
SUCCEEDED = 5
COMMAND_TIMEOUT = 0.3  # s; a command that old was not executed any more
AFTER = 1_000_000_000  # ns after a goal's end in which the truth may still come


@dataclass(frozen=True)
class Pursuit:
    """States and actions of one goal.

    Attributes:
        goal: what was to become true.
        begin: ns of the ROS clock.
        end: ns.
        stamps: T + 1 stamps of observations, ns.
        actions: (T, A) float32, what was executed from each state to the next, in the environment's unit.
        effector: (T + 1, 3) position, world frame, m.
        scenes: true states, batch shape (T + 1,); None where no simulator told them.
        seed: of the simulator's episode, -1 where there is none.
        success: by the true scene where it is known, else by the planner's belief.
    """

    goal: RecordedGoal
    begin: int
    end: int
    stamps: tuple[int, ...]
    actions: np.ndarray
    effector: np.ndarray
    scenes: SceneState | None
    seed: int
    success: bool


def pursuits(recording: Recording, spec: EnvironmentSpec) -> list[Pursuit]:
    """All pursuits with at least one action.

    Raises:
        RecordingError: there is no goal, or no observation.
    """
    goals = recording.goals()
    if not goals:
        raise RecordingError(f"{recording.path}: no goal was accepted while this was recorded")
    frames = {frame.stamp: frame.received for frame in recording.frames()}
    if not frames:
        raise RecordingError(f"{recording.path}: no frames on {OBSERVATION}")
    found = []
    for number, goal in enumerate(goals):
        following = goals[number + 1].received if number + 1 < len(goals) else None
        end = _end(recording, goal, following)
        stamps = sorted(stamp for stamp, received in frames.items() if goal.received <= received <= end)
        for episode, part in _episodes(recording, stamps):
            made = _pursuit(recording, spec, goal, end, part, episode)
            found += [made] if made else []
    if not found:
        raise RecordingError(f"{recording.path}: no goal was pursued for two frames")
    return found


def _end(recording: Recording, goal: RecordedGoal, following: int | None) -> int:
    ended = (
        logged.received
        for logged in recording.of(GOAL_STATUS)
        if logged.message.goal_id == goal.goal_id and logged.message.state in ENDED
    )
    last = max((messages[-1].received for messages in recording.topics.values() if messages), default=goal.received)
    return min(next(ended, last), following or last)


def _episodes(recording: Recording, stamps: list[int]) -> Iterator[tuple[int | None, list[int]]]:
    """Stamps by the simulator's episode; without a simulator all of them."""
    scenes = {nanoseconds(logged.message.header.stamp): logged.message for logged in recording.of(SCENE_STATE)}
    if not scenes:
        yield None, stamps
        return
    known = [stamp for stamp in stamps if stamp in scenes]
    for episode in sorted({scenes[stamp].episode for stamp in known}):
        yield episode, [stamp for stamp in known if scenes[stamp].episode == episode]


def _pursuit(
    recording: Recording, spec: EnvironmentSpec, goal: RecordedGoal, end: int, stamps: list[int], episode: int | None
) -> Pursuit | None:
    if len(stamps) < 2:
        return None
    scenes = None
    if episode is not None:
        by_stamp = {nanoseconds(m.message.header.stamp): m.message for m in recording.of(SCENE_STATE)}
        scenes = SceneState.stack([scene_from_message(by_stamp[stamp]) for stamp in stamps])
    seed, success = _outcome(recording, goal, end, episode)
    effector = scenes.effector if scenes is not None else _positions(recording, stamps)
    actions = _actions(recording, spec, stamps)
    return Pursuit(goal, goal.received, end, tuple(stamps), actions, effector, scenes, seed, success)


def _outcome(recording: Recording, goal: RecordedGoal, end: int, episode: int | None) -> tuple[int, bool]:
    told = [m.message for m in recording.of(EPISODE_STATUS) if m.message.episode == episode]
    if told:
        within = [
            m.message.goal_reached
            for m in recording.of(EPISODE_STATUS)
            if m.message.episode == episode and goal.received < m.received <= end + AFTER
        ]
        return int(told[0].seed), any(within)
    states = [m.message.state for m in recording.of(GOAL_STATUS) if m.message.goal_id == goal.goal_id]
    return -1, SUCCEEDED in states


def _positions(recording: Recording, stamps: list[int]) -> np.ndarray:
    """(T + 1, 3) the effector's position last told before each stamp; NaN where there is none."""
    poses = recording.of(EFFECTOR_POSE)
    times = [nanoseconds(logged.message.header.stamp) for logged in poses]
    rows = []
    for stamp in stamps:
        i = bisect.bisect_right(times, stamp) - 1
        point = poses[i].message.pose.position if i >= 0 else None
        rows.append((np.nan,) * 3 if point is None else (point.x, point.y, point.z))
    return np.asarray(rows)


def _actions(recording: Recording, spec: EnvironmentSpec, stamps: list[int]) -> np.ndarray:
    """(T, A) the command that was in force from each state to the next; zero where none was."""
    commands = recording.of(COMMAND_SAFE)
    lockstep = recording.parameters.get("/swm/bridge", {}).get("mode") == "lockstep"
    answers = {nanoseconds(logged.message.answered_stamp): logged for logged in commands if logged.message.plan_id}
    times = [nanoseconds(logged.message.header.stamp) for logged in commands]
    rows = np.zeros((len(stamps) - 1, spec.action_dim), np.float32)
    for i, (stamp, following) in enumerate(pairwise(stamps)):
        chosen: Logged | None
        if lockstep:  # a frame is answered by one command; stamps are of simulated time
            chosen = answers.get(stamp)
        else:  # the newest one before the next frame was taken
            at = bisect.bisect_right(times, following) - 1
            chosen = commands[at] if at >= 0 and following - times[at] < COMMAND_TIMEOUT * 1e9 else None
        if chosen is not None:
            rows[i] = action_from_command(chosen.message, spec)
    return rows
