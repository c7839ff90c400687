# SPDX-License-Identifier: Apache-2.0
"""Whatever comes from outside, a goal, an image or a file, is taken or refused with one of our errors; nothing crashes.

Each test draws SWM_FUZZ_EXAMPLES inputs; `make fuzz` draws 100,000 in all.
"""

import array
import json
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import Image

from sim_bridges.langtable import LANGTABLE
from swm_core.camera import Camera
from swm_core.errors import ConfigError, ModelError, PlanningError, QuestionError
from swm_core.models.compact import CompactWorldModel
from swm_core.models.compact_config import CompactConfig
from swm_core.models.grounded import GroundedModel
from swm_core.models.weights import CONFIG, WEIGHTS, load_model, save_model
from swm_core.planning.controller import Controller
from swm_core.planning.gradient import GradientConfig
from swm_core.planning.settings import PlannerConfig
from swm_core.settings import structured
from swm_core.tasks import LANGTABLE_QUESTIONS, vocabulary
from swm_core.training.config import TrainingConfig, read_settings
from swm_msgs import msg
from swm_ros.camera_health import CameraHealth
from swm_ros.conversions import action_to_twist
from swm_ros.goals import GoalRefusedError, task_from_text, task_from_typed
from swm_ros.guard import Guard
from swm_ros.guard_config import GuardConfig
from swm_ros.images import ImageError, Reader
from swm_ros.motion import Motion
from swm_ros.stack import NAMESPACE, parameter_file

EXAMPLES = int(os.environ.get("SWM_FUZZ_EXAMPLES", "100"))
SPEC, NAMES = LANGTABLE.spec, next(iter(LANGTABLE.spec.object_sets.values()))
WORDS = (
    *{word for name in NAMES for word in name.split()},
    *[
        "reach",
        "push",
        "the",
        "to",
        "and",
        "then",
        "next",
        "left",
        "right",
        "of",
        "robotic",
        "peg",
        "separate",
        "from",
        "-1",
    ],
)


def fuzz(share: float = 1.0):
    """Settings of a test that draws a share of the inputs."""
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    return settings(max_examples=max(10, int(share * EXAMPLES)), deadline=None, suppress_health_check=checks)


def attempt(call: Callable[[], Any], *expected: type[Exception]) -> Any:
    """What a call returns, or the error that it raised if that is one of ours; it says something then."""
    try:
        return call()
    except expected as error:
        assert str(error)  # noqa: PT017, other errors are to fail the test
        return error


sentences = st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=14).map(" ".join)
texts = sentences | st.text(max_size=200)
questions = st.builds(msg.Question, text=texts, desired_answer=st.booleans(), weight=st.floats())
subgoals = st.builds(msg.Subgoal, questions=st.lists(questions, max_size=4), completion=st.lists(questions, max_size=2))
typed_goals = st.builds(msg.Task, name=texts, subgoals=st.lists(subgoals, max_size=3))


@fuzz()
@given(texts)
def test_goal_texts(text):
    task = attempt(lambda: task_from_text(text, NAMES, LANGTABLE), GoalRefusedError)
    assert task.code if isinstance(task, GoalRefusedError) else task.subgoals


@fuzz()
@given(typed_goals)
def test_typed_goals(goal):
    task = attempt(lambda: task_from_typed(goal, NAMES, SPEC), GoalRefusedError)
    if not isinstance(task, GoalRefusedError):
        assert all(math.isfinite(q.weight) and q.weight > 0 for s in task.subgoals for q in s.questions)


@st.composite
def images(draw) -> Image:
    """An image message, right in more or fewer of its fields."""
    width, height = draw(st.sampled_from([(320, 180), (320, 180), (0, 0), (1, 1), (180, 320)]))
    encoding = draw(st.sampled_from(["rgb8", "bgr8", "rgba8", "bgra8", "mono8"]) | st.text(max_size=8))
    row = width * (4 if "a" in encoding else 3)
    step = draw(st.sampled_from([row, row, row + 8, 0, 2**32 - 1]) | st.integers(0, 2**32 - 1))
    length = draw(st.sampled_from([min(step * height, 10**6), row * height, 0]) | st.integers(0, 10**5))
    fill = draw(st.binary(min_size=1, max_size=64))
    data = array.array("B", (fill * (length // len(fill) + 1))[:length])
    return Image(width=width, height=height, encoding=encoding, step=step, data=data)


@fuzz()
@given(images())
def test_images(message):
    reader = Reader(320, 180, lambda text: None)
    picture = reader.read(message)
    assert (picture is None) == bool(reader.refused)
    if picture is not None:
        assert picture.shape == (180, 320, 3)
        assert picture.dtype == np.uint8
        attempt(lambda: CameraHealth(0.002).check(picture, 0), ImageError)


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
keys = st.sampled_from([*TrainingConfig.__dataclass_fields__, *GuardConfig.__dataclass_fields__]) | st.text(max_size=10)
trees = st.recursive(plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5))


@fuzz(0.5)
@given(trees.map(lambda tree: yaml.safe_dump(tree).encode()) | st.binary(max_size=300))
@example(b"?")  # a mapping whose key is none
def test_config_files(tmp_path, content):
    file = tmp_path / "settings.yaml"
    file.write_bytes(content)
    attempt(lambda: read_settings(file, TrainingConfig), ConfigError)


@fuzz(0.5)
@given(st.dictionaries(st.sampled_from([*GuardConfig.__dataclass_fields__]) | st.text(max_size=5), trees, max_size=4))
def test_guard_settings(values):
    made = attempt(lambda: structured(values, GuardConfig, "guard"), ConfigError)
    assert isinstance(made, ConfigError) or all(math.isfinite(v) and v >= 0 for v in made.max_velocity)


def guard_limits() -> GuardConfig:
    """Those of the simulated stack."""
    sections = yaml.safe_load(parameter_file("langtable").read_text())
    return structured(sections[f"{NAMESPACE}/guard"]["ros__parameters"], GuardConfig, "guard")


def tiny() -> CompactWorldModel:
    """A compact model with random weights for frames of 72 x 44 pixels."""
    torch.manual_seed(3)
    turned = ((0.0, 1.0, 0.0), (0.80901699, 0.0, -0.58778525), (-0.58778525, 0.0, -0.80901699))
    camera = Camera(width=72, height=44, focal=57.8, position=(0.75, 0.0, 0.5), rotation=turned)
    words = {"vocabulary": vocabulary(LANGTABLE_QUESTIONS), "names": tuple(NAMES), "effector_words": ("robotic peg",)}
    motion = {"action_scale": (0.03, 0.03), "action_axes": (0, 1), "origin": (0.375, 0.0, 0.0)}
    sizes = {"width": 24, "layers": 1, "action_layers": 1, "heads": 3, "fine_width": 8, "horizon": 8}
    return CompactWorldModel(CompactConfig(**words, **motion, **sizes, camera=camera)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Files of a model, as bytes, and a folder for damaged ones."""
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, tiny())
    return {name: (folder / name).read_bytes() for name in (CONFIG, WEIGHTS)}, folder


@st.composite
def damages(draw):
    """What happens to a model's file: its name and a function of its bytes."""
    name = draw(st.sampled_from([CONFIG, WEIGHTS]))
    kind = draw(st.sampled_from(["cut", "flip", "other", "header", "field"]))
    place, bytes_, value = draw(st.integers(0, 2**16)), draw(st.binary(max_size=40)), draw(plain)

    def damage(content: bytes) -> bytes:
        at = place % len(content)
        if kind == "cut":
            return content[:at]
        if kind == "other":
            return bytes_
        if kind == "header":
            return bytes_[:8] + content[len(bytes_[:8]) :]
        if kind == "field" and name == CONFIG:
            data = json.loads(content)
            fields = sorted(data["model"])
            data["model"][fields[place % len(fields)]] = value
            return json.dumps(data).encode()
        return content[:at] + bytes_ + content[at + len(bytes_) :]

    return name, damage


@fuzz()
@given(damages())
def test_model_files(saved, damage):
    """A damaged model is refused with words, or it is whole in every number."""
    contents, folder = saved
    name, change = damage
    for file, content in contents.items():
        (folder / file).write_bytes(change(content) if file == name else content)
    model = attempt(lambda: load_model(folder), ModelError)
    assert isinstance(model, ModelError) or all(bool(p.isfinite().all()) for p in model.parameters())


@pytest.fixture(scope="module")
def controller():
    config = PlannerConfig(horizon=6, sub_chunk=3, execute=2, gradient=GradientConfig(iterations=1))
    return Controller(GroundedModel(tiny()), SPEC.action_low, SPEC.action_high, SPEC.action_names, config)


@st.composite
def sensible_goals(draw) -> msg.Task:
    """A typed goal that is taken, or nearly always."""
    kinds = st.sampled_from(LANGTABLE_QUESTIONS)
    asked = kinds.flatmap(lambda kind: st.sampled_from(kind.instances(NAMES)).map(lambda i: kind.ask(i).text))
    wild = sentences.map(lambda text: f"robotic peg {text}")
    weights = st.floats(1e-3, 1e3)
    made = st.builds(msg.Question, text=asked | wild, desired_answer=st.booleans(), weight=weights)
    subgoal = st.builds(msg.Subgoal, questions=st.lists(made, min_size=1, max_size=4))
    return msg.Task(name="fuzz", subgoals=draw(st.lists(subgoal, min_size=1, max_size=3)))


def test_what_is_planned_for_any_goal_and_image_leaves_the_guard_inside_the_limits(controller):
    limits, outcomes = guard_limits(), []

    @fuzz(0.05)
    @given(sensible_goals(), st.integers(0, 2**32 - 1), st.integers(0, 5))
    def plan_and_move(goal, seed, committed):
        outcomes.append(what_moves(controller, limits, goal, seed, committed))

    plan_and_move()
    assert outcomes.count(True) > len(outcomes) / 2, "hardly any plan moved the robot"


def what_moves(controller, limits: GuardConfig, goal: msg.Task, seed: int, committed: int) -> bool | None:
    """Whether anything leaves for a goal; None where there is no plan for it."""
    task = attempt(lambda: task_from_typed(goal, NAMES, SPEC), GoalRefusedError)
    if isinstance(task, GoalRefusedError):
        return None
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, controller.model.image_shape, dtype=np.uint8)
    fixed = random.uniform(-0.03, 0.03, (committed, 2)).astype(np.float32)
    controller.start(task)
    plan = attempt(lambda: controller.plan(image, fixed), PlanningError, QuestionError)
    if isinstance(plan, Exception):
        return None
    guard, moved = Guard(limits), False
    guard.see_effector((0.4, 0.0, 0.1), 0.0)
    for step, action in enumerate(plan.actions):
        twist, gripper = action_to_twist(action, SPEC)
        linear = twist.twist.linear
        allowed = guard.judge(Motion((linear.x, linear.y, linear.z), gripper=gripper, order=(1, 1, step)), 0.1 * step)
        assert allowed is not None
        assert all(abs(v) <= most * (1 + 1e-6) for v, most in zip(allowed.linear, limits.max_velocity, strict=True))
        moved = moved or not allowed.still
    assert moved == bool(plan.actions.any())
    return moved
