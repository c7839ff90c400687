# SPDX-License-Identifier: Apache-2.0
"""A recording of a made-up run: the arm is told to go along y, and does; one goal, one fault, one e-stop."""

from pathlib import Path

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, PoseStamped
from rcl_interfaces.msg import Log
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from swm_core.environment import load_environment
from swm_core.scene import SceneState
from swm_core.tasks import build_task, parse_goal
from swm_msgs.msg import Command, EpisodeStatus, Explanation, Goal, GoalStatus, GuardStatus, Plan, PlanStats
from swm_ros import qos
from swm_ros.conversions import action_to_twist, pose, scene_to_message, stamp_of, task_to_message
from swm_ros.images import from_rgb
from swm_ros.mcap_file import McapFile
from swm_ros.message_definitions import definition

ENTRY = load_environment("langtable")
SPEC = ENTRY.spec
NAMES = next(iter(SPEC.object_sets.values()))
BEGIN = 1_700_000_000 * 10**9
PERIOD = 10**8
STEPS = 12
SPEED = 0.01  # m per step, along y
GOAL = "reach the red moon"
TASK = build_task(parse_goal(GOAL, NAMES, (SPEC.effector_word,)), ENTRY.questions)
H = 16


class Writer:
    """Writes messages as the recorder does."""

    def __init__(self, path: Path) -> None:
        self.file, self.channels = McapFile(path), {}

    def __call__(self, topic: str, message, at: int) -> None:
        if topic not in self.channels:
            kind = f"{type(message).__module__.partition('.')[0]}/msg/{type(message).__name__}"
            self.channels[topic] = self.file.channel(topic, kind, definition(kind), "")
        self.file.write(self.channels[topic], serialize_message(message), at, at)


def frame(step: int) -> np.ndarray:
    """(H, W, 3) a picture with its step's shade in a corner, so that frames can be told apart."""
    image = np.full((SPEC.camera.height, SPEC.camera.width, 3), 90, np.uint8)
    image[40:120, 60 + 8 * step : 100 + 8 * step] = (200, 30, 30)
    return image


def scene(step: int) -> SceneState:
    n = len(NAMES)
    positions = np.stack([np.linspace(0.3, 0.5, n), np.linspace(-0.2, 0.2, n), np.zeros(n)], 1)
    contacts = np.zeros((n + 1, n + 1), bool)
    effector = np.array([0.4, -0.06 + SPEED * step, 0.0])
    return SceneState(NAMES, positions, np.zeros(n), effector, contacts, np.asarray(0.0))


def plan(step: int) -> Plan:
    actions = np.tile(np.array([0.0, SPEED], np.float32), (H, 1))
    start = scene(step).effector
    path = start + np.concatenate([np.zeros((1, 3)), np.cumsum(np.pad(actions, ((0, 0), (0, 1))), 0)])
    texts = [q.text for q in TASK.subgoals[0].questions]
    message = Plan(plan_id=step + 1, epoch=1, goal_id="goal", task=TASK.name, horizon=H, action_dim=2)
    message.observation_stamp, message.control_period = stamp_of(BEGIN + step * PERIOD), 0.1
    message.actions, message.committed, message.value = actions.ravel().tolist(), 2, 1.5
    message.iterations, message.sub_chunks, message.questions = 1, 2, texts
    message.values, message.step_sizes = [1.0, 1.5], [0.01]
    rows = np.zeros((2, len(texts), 2), np.float32)
    rows[0], rows[1] = 0.25, 0.75
    message.probabilities, message.now = rows.ravel().tolist(), [0.1 * (step % 5)] * len(texts)
    message.completion, message.candidate_count = 0.2, 2
    message.candidates = np.concatenate([actions, -actions]).ravel().tolist()
    message.candidate_values = [1.5, 0.5]
    message.path = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in path]
    return message


def why(step: int) -> Explanation:
    """Of a plan; with attention on the left of the frame at every other one."""
    questions = [q.text for q in TASK.subgoals[0].questions]
    message = Explanation(plan_id=step + 1, epoch=1, questions=questions, iterations=1, value_gains=[0.5])
    message.gains = [0.5] * len(questions)
    message.path = plan(step).path
    message.first_path = [Point(x=p.x + 0.05 * i, y=p.y) for i, p in enumerate(message.path[:2])]
    if step % 8 == 0:
        message.rows, message.columns, message.cell = 2, 4, 90
        message.attention = [1.0, *[0.0] * 7] * len(questions)
    return message


def command(step: int) -> Command:
    twist, gripper = action_to_twist(np.array([0.0, SPEED]), SPEC)
    made = Command(twist=twist, gripper=gripper, plan_id=step + 1, epoch=1)
    made.header.stamp = stamp_of(BEGIN + step * PERIOD + PERIOD // 2)
    made.answered_stamp = stamp_of(BEGIN + step * PERIOD)
    return made


def write_run(path: Path, simulated: bool = True, reached: bool = True, seed: int = 7) -> Path:
    """The made-up run; without a simulator there are no scenes and no episodes, and the pose comes from the robot."""
    write = Writer(path)
    write.file.metadata("swm.parameters", {"node": "/swm/planner", "environment": '"langtable"', "seed": "3"})
    task = task_to_message(TASK)
    health = DiagnosticStatus(name="swm/planner", values=[KeyValue(key="model", value="abcd")])
    write(qos.DIAGNOSTICS, DiagnosticArray(status=[health]), BEGIN - 3 * PERIOD)
    write(qos.ACTIVE_GOAL, Goal(goal_id="goal", task=task), BEGIN - PERIOD)
    write(qos.GOAL_STATUS, GoalStatus(goal_id="goal", state=GoalStatus.ACCEPTED, task=TASK.name), BEGIN - PERIOD)
    for step in range(STEPS + 1):
        at = BEGIN + step * PERIOD + 10**6
        header = Header(stamp=stamp_of(BEGIN + step * PERIOD), frame_id="world")
        if simulated:
            write(qos.SCENE_STATE, scene_to_message(scene(step), header, 1, step), at)
            status = EpisodeStatus(header=header, episode=1, seed=seed, objects=list(NAMES), task=TASK.name)
            status.step, status.goal_reached = step, reached and step == STEPS
            write(qos.EPISODE_STATUS, status, at)
        else:
            write(qos.EFFECTOR_POSE, PoseStamped(header=header, pose=pose(scene(step).effector)), at)
        image = from_rgb(frame(step))
        image.header = header
        for _ in range(1 + step % 2):  # as a simulator in lockstep repeats an unanswered frame
            write(qos.OBSERVATION, image, at)
        if step % 4 == 0:
            write(qos.PLAN, plan(step), at + PERIOD // 4)
            write(qos.EXPLANATION, why(step), at + PERIOD // 4)
            write(qos.PLAN_STATS, PlanStats(plan_id=step + 1, latency=0.02), at + PERIOD // 4)
        write(qos.COMMAND_SAFE, command(step), at + PERIOD // 2)
    end = BEGIN + STEPS * PERIOD + PERIOD // 2
    write(qos.GUARD_STATUS, GuardStatus(state=GuardStatus.RUNNING), BEGIN)
    stopped = GuardStatus(state=GuardStatus.ESTOPPED, message="emergency stop: <topic>")
    write(qos.GUARD_STATUS, stopped, end)
    line = Log(level=40, name="swm.perception", msg="frame refused: wrong <size>", stamp=Time())
    write(qos.ROSOUT, line, end)
    write(qos.GOAL_STATUS, GoalStatus(goal_id="goal", state=GoalStatus.SUCCEEDED, task=TASK.name), end)
    write.file.close()
    return path
