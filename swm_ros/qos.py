# SPDX-License-Identifier: Apache-2.0
"""Every quality of service and topic name of the stack.

Images are reliable with depth 1: the latest frame wins, and large frames are not lost in fragments as they are with
best effort. Goals take what `ros2 topic pub` offers by default. Latched topics give a late subscriber the latest
state.
"""

from __future__ import annotations

from collections.abc import Sequence

import yaml
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from swm_core.records.names import (  # noqa: F401, the topics by which a recording is read are named there
    ACTIVE_GOAL,
    COMMAND_SAFE,
    DIAGNOSTICS,
    EFFECTOR_POSE,
    EPISODE_STATUS,
    EXPLANATION,
    GOAL_STATUS,
    GUARD_STATUS,
    OBSERVATION,
    PLAN,
    PLAN_STATS,
    ROSOUT,
    SCENE_STATE,
)


def _profile(depth: int, *, reliable: bool = True, latched: bool = False) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


IMAGE = _profile(1)
SENSOR = _profile(1, reliable=False)  # for camera drivers that publish best effort
COMMAND = _profile(1)
GOAL = _profile(10)
STATUS = _profile(10, latched=True)
RECORD = _profile(10)  # plans, statistics, scene states
LATCHED_EVENT = _profile(1, latched=True)
# The first hears every publisher, the second loses nothing of reliable ones, the third gets what was latched. The first
# keeps as many as the second, so that it does not hear a word before an older one.
STOPS = (_profile(10, reliable=False), GOAL, LATCHED_EVENT)

CAMERA_IMAGE = "/camera/image_raw"
CAMERA_INFO = "/camera/camera_info"
OBSERVATION_COMPRESSED = "/swm/observation/compressed"
GOAL_TEXT = "/swm/goal_text"
GOAL_TYPED = "/swm/goal"
EXECUTE_TASK = "/swm/execute_task"
COMMAND_RAW = "/swm/command_raw"
COMMAND_DRY_RUN = "/swm/command_dry_run"
ESTOP = "/swm/estop"
RESET_EPISODE = "/swm/reset_episode"
MONITOR_IMAGE = "/swm/monitor/image"
MONITOR_MARKERS = "/swm/monitor/markers"
MONITOR_PATH = "/swm/monitor/path"
CLOCK = "/clock"
TF = "/tf"
TF_STATIC = "/tf_static"
HEARTBEAT = "/swm/heartbeat"
STACK_STATUS = "/swm/stack_status"

_ALL = 1000  # messages that a listener may fall behind


def adapted(offered: Sequence[QoSProfile]) -> QoSProfile:
    """What hears every publisher of a topic and, where all keep their last messages, those from before as well."""
    return _profile(
        _ALL,
        reliable=all(profile.reliability == ReliabilityPolicy.RELIABLE for profile in offered),
        latched=bool(offered) and all(profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in offered),
    )


def offered_yaml(offered: Sequence[QoSProfile]) -> str:
    """Publishers' profiles as rosbag2 keeps them (its metadata version 9), so that a replay offers the same."""

    def time(duration: Duration) -> dict[str, int]:
        return {"sec": duration.nanoseconds // 10**9, "nsec": duration.nanoseconds % 10**9}

    def known(profile: QoSProfile) -> dict[str, object]:
        history = profile.history if profile.history != HistoryPolicy.UNKNOWN else HistoryPolicy.KEEP_LAST
        return {
            "history": history.short_key,
            "depth": profile.depth or 10,  # what is not known of another process's publisher
            "reliability": profile.reliability.short_key,
            "durability": profile.durability.short_key,
            "deadline": time(profile.deadline),
            "lifespan": time(profile.lifespan),
            "liveliness": profile.liveliness.short_key,
            "liveliness_lease_duration": time(profile.liveliness_lease_duration),
            "avoid_ros_namespace_conventions": bool(profile.avoid_ros_namespace_conventions),
        }

    return yaml.safe_dump([known(profile) for profile in offered], sort_keys=False)
