# SPDX-License-Identifier: Apache-2.0
"""Every quality of service and topic name of the stack, in one place.

Images are reliable with depth 1: the latest frame wins, and large frames are not lost in fragments as they are with
best effort. Goals take what `ros2 topic pub` offers by default. Latched topics give a late subscriber the latest
state.
"""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


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

CAMERA_IMAGE = "/camera/image_raw"
CAMERA_INFO = "/camera/camera_info"
OBSERVATION = "/swm/observation"
OBSERVATION_COMPRESSED = "/swm/observation/compressed"
GOAL_TEXT = "/swm/goal_text"
GOAL_TYPED = "/swm/goal"
GOAL_STATUS = "/swm/goal_status"
EXECUTE_TASK = "/swm/execute_task"
PLAN = "/swm/plan"
PLAN_STATS = "/swm/plan_stats"
COMMAND_RAW = "/swm/command_raw"
COMMAND_SAFE = "/swm/command"
COMMAND_DRY_RUN = "/swm/command_dry_run"
GUARD_STATUS = "/swm/guard_status"
ESTOP = "/swm/estop"
EFFECTOR_POSE = "/swm/effector_pose"
SCENE_STATE = "/swm/scene_state"
EPISODE_STATUS = "/swm/episode_status"
RESET_EPISODE = "/swm/reset_episode"
MONITOR_IMAGE = "/swm/monitor/image"
MONITOR_MARKERS = "/swm/monitor/markers"
TF_STATIC = "/tf_static"
HEARTBEAT = "/swm/heartbeat"
STACK_STATUS = "/swm/stack_status"
DIAGNOSTICS = "/diagnostics"
