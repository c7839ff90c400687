# SPDX-License-Identifier: Apache-2.0
"""The topics by which a recording is read, and the names of its metadata records."""

OBSERVATION = "/swm/observation"
ACTIVE_GOAL = "/swm/active_goal"
GOAL_STATUS = "/swm/goal_status"
PLAN = "/swm/plan"
PLAN_STATS = "/swm/plan_stats"
EXPLANATION = "/swm/explanation"
COMMAND_SAFE = "/swm/command"
GUARD_STATUS = "/swm/guard_status"
EFFECTOR_POSE = "/swm/effector_pose"
SCENE_STATE = "/swm/scene_state"
EPISODE_STATUS = "/swm/episode_status"
DIAGNOSTICS = "/diagnostics"
ROSOUT = "/rosout"

GOAL_RECORD = "swm.goal"  # one for each accepted goal: goal_id, name, task (JSON of `swm_core.tasks.Task`)
MODEL_RECORD = "swm.model"  # node, weights (hash)
PARAMETERS_RECORD = "swm.parameters"  # one for each node: node, and its parameters (JSON each)
