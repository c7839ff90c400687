# SPDX-License-Identifier: Apache-2.0
"""The controller on a world whose answers are known by hand: a point on a line that moves by the actions."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from swm_core.errors import ConfigError, PlanningError
from swm_core.planning.controller import Controller
from swm_core.planning.gradient import GradientConfig
from swm_core.planning.settings import PAPER_LANGTABLE, PLANNERS, PlannerConfig, with_policy, without_policy
from swm_core.tasks.task import Subgoal, Task, WeightedQuestion

LIMIT = 0.03
Frame = Callable[[float], np.ndarray]
Make = Callable[..., Controller]


def task(*targets: str) -> Task:
    return Task("go", tuple(Subgoal((WeightedQuestion(target),)) for target in targets))


class PointPolicy:
    """Goes at half speed to where the question says, or away if no is wanted, with a little noise."""

    horizon, frames = 16, 2

    def __init__(self) -> None:
        self.seen: list[list[tuple[float, int]]] = []

    def propose(self, observations, questions, count: int, generator: torch.Generator) -> torch.Tensor:
        self.seen.append([(observed.frame, observed.age) for observed in observations])
        gap = float(questions[0].text.split()[-1]) - observations[-1].frame
        chunk = torch.zeros(16, 2)
        chunk[:, 0] = math.copysign(LIMIT / 2, gap if questions[0].desired else -gap)
        return chunk + 1e-4 * torch.randn(count, 16, 2, generator=generator)


@pytest.fixture
def make(point_model) -> Make:
    def build(seed: int = 0, policy: PointPolicy | None = None, **settings) -> Controller:
        config = PlannerConfig(**{"horizon": 8, "sub_chunk": 4, **settings})
        if config.needs_policy:
            policy = policy or PointPolicy()
        return Controller(point_model, (-LIMIT, -LIMIT), (LIMIT, LIMIT), ("dx", "dy"), config, seed, policy)

    return build


@pytest.mark.parametrize("planner", ["gradient", "mppi"])
def test_it_goes_where_the_question_says(make: Make, frame_at: Frame, planner: str) -> None:
    controller, x = make(planner=planner), 0.10
    controller.start(task("at 0.4"))
    for _ in range(5):
        plan = controller.plan(frame_at(x), executed=4)
        x = round(x + float(plan.actions[:4, 0].sum()), 2)
    assert x == pytest.approx(0.4, abs=0.04)


def test_the_wanted_no_is_pursued(make: Make, frame_at: Frame) -> None:
    controller = make()
    controller.start(Task("leave", (Subgoal((WeightedQuestion("at 0.1", desired=False),)),)))
    plan = controller.plan(frame_at(0.12))
    assert abs(plan.path[-1, 0] - 0.1) > 0.15


@pytest.mark.parametrize("planner", PLANNERS)
def test_committed_actions_are_kept(make: Make, frame_at: Frame, planner: str) -> None:
    controller = make(planner=planner)
    controller.start(task("at 0.4"))
    committed = np.array([[-0.01, 0.02], [0.0, -0.03]], np.float32)
    plan = controller.plan(frame_at(0.1), committed)
    np.testing.assert_array_equal(plan.actions[:2], committed)
    assert plan.committed == 2
    assert plan.actions.shape == (8, 2)
    assert float(np.abs(plan.actions).max()) <= LIMIT


def test_the_plan_says_what_was_found(make: Make, frame_at: Frame) -> None:
    controller = make(gradient=GradientConfig(iterations=3))
    controller.start(task("at 0.3"))
    plan = controller.plan(frame_at(0.1))
    assert plan.questions == ("at 0.3",)
    assert plan.values.shape == (4,)
    assert plan.probabilities.shape == (4, 1, 2)
    assert plan.step_sizes.shape == (3,)
    assert plan.value == pytest.approx(plan.values.max())
    near = np.exp(-((0.1 + plan.actions[:, 0].cumsum()[[3, 7]] - 0.3) ** 2) / 0.02)
    assert plan.value == pytest.approx(near.sum(), rel=1e-4)
    assert plan.now[0] == plan.completion == pytest.approx(np.exp(-(0.2**2) / 0.02), rel=1e-4)
    np.testing.assert_allclose(plan.path[1:, :2], plan.actions.cumsum(0) + np.array([0.1, 0.0]), atol=1e-5)
    assert not plan.deadline_missed


def test_none_does_not_move_and_random_does(make: Make, frame_at: Frame) -> None:
    none, random, again = make(planner="none"), make(planner="random"), make(planner="random")
    for controller in (none, random, again):
        controller.start(task("at 0.4"))
    assert not none.plan(frame_at(0.1)).actions.any()
    drawn = random.plan(frame_at(0.1)).actions
    assert drawn.std() > 0.005
    np.testing.assert_array_equal(drawn, again.plan(frame_at(0.1)).actions)
    assert not np.array_equal(drawn, random.plan(frame_at(0.1)).actions)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 9, 3), np.uint8),
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_a_wrong_frame_is_refused_and_the_next_one_planned(make: Make, frame_at: Frame, image: np.ndarray) -> None:
    controller = make()
    controller.start(task("at 0.4"))
    with pytest.raises(PlanningError, match="frame is"):
        controller.plan(image)
    assert controller.plan(frame_at(0.1)).actions.shape == (8, 2)


@pytest.mark.parametrize(
    "committed", [np.zeros((2, 3)), np.zeros(4), np.full((1, 2), np.nan), np.zeros((8, 2)), np.zeros((1, 2, 2))]
)
def test_wrong_committed_actions_are_refused(make: Make, frame_at: Frame, committed: np.ndarray) -> None:
    controller = make()
    controller.start(task("at 0.4"))
    with pytest.raises(PlanningError, match="committed actions"):
        controller.plan(frame_at(0.1), committed)


def test_without_a_task_there_is_no_plan(make: Make, frame_at: Frame) -> None:
    with pytest.raises(PlanningError, match="no task"):
        make().plan(frame_at(0.1))


def test_a_subgoal_is_left_after_several_frames_in_a_row(make: Make, frame_at: Frame) -> None:
    controller = make(complete_frames=3)
    controller.start(task("at 0.1", "at 0.4"))
    seen = []
    for x in (0.1, 0.1, 0.4, 0.1, 0.1, 0.1, 0.1, 0.4, 0.4, 0.4):  # the third frame breaks the row
        controller.plan(frame_at(x))
        seen.append((controller.subgoal, controller.finished))
    assert [subgoal for subgoal, _ in seen] == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert [finished for _, finished in seen] == [False] * 9 + [True]


def test_a_completion_question_of_its_own_decides_and_counts_in_no_value(make: Make, frame_at: Frame) -> None:
    controller = make(complete_frames=1)
    subgoal = Subgoal((WeightedQuestion("at 0.4"),), completion=(WeightedQuestion("at 0.1"),))
    controller.start(Task("odd", (subgoal,)))
    plan = controller.plan(frame_at(0.1))
    assert controller.finished
    assert plan.completion == pytest.approx(1.0, abs=1e-4)
    assert plan.now.shape == (1,)
    assert plan.now[0] < 0.1
    assert plan.path[-1, 0] > 0.25


def test_a_started_task_forgets_the_last_one(make: Make, frame_at: Frame) -> None:
    used, fresh = make(planner="mppi", complete_frames=1), make(planner="mppi", complete_frames=1)
    used.start(task("at 0.1", "at 0.4"))
    for _ in range(3):
        used.plan(frame_at(0.1))
    assert used.subgoal == 1
    for controller in (used, fresh):
        controller.start(task("at 0.4"))
    assert (used.subgoal, used.finished) == (0, False)
    np.testing.assert_array_equal(used.plan(frame_at(0.1)).actions, fresh.plan(frame_at(0.1)).actions)


def test_warming_up_changes_nothing(point_model) -> None:
    point_model.read = lambda observation, questions: (observation, [(0.2, False)] * len(questions))
    controllers = [
        Controller(point_model, (-LIMIT,) * 2, (LIMIT,) * 2, ("dx", "dy"), PlannerConfig(planner="random"))
        for _ in range(2)
    ]
    for controller in controllers:
        controller.start(task("at 0.2"))
    controllers[0].warm_up()
    image = np.zeros((8, 8, 3), np.uint8)
    np.testing.assert_array_equal(*(controller.plan(image).actions for controller in controllers))


@pytest.mark.parametrize("planner", ["gradient", "mppi"])
def test_proposals_of_a_policy_are_refined(make: Make, frame_at: Frame, planner: str) -> None:
    alone = make(planner="policy")
    refined = make(planner=planner, proposals=("policy",), policy_proposals=3)
    plans = []
    for controller in (alone, refined):
        controller.start(task("at 0.4"))
        plans.append(controller.plan(frame_at(0.1)))
    np.testing.assert_allclose(plans[0].actions[:, 0], LIMIT / 2, atol=1e-3)
    assert plans[0].candidates.shape == (1, 8, 2)
    assert plans[1].value > plans[0].value + 0.1


def test_without_iterations_the_best_of_the_policys_chunks_is_taken(make: Make, frame_at: Frame) -> None:
    controller = make(proposals=("policy", "still"), gradient=GradientConfig(iterations=0, keep=9), policy_proposals=5)
    controller.start(task("at 0.4"))
    plan = controller.plan(frame_at(0.1))
    assert len(plan.candidates) == 6
    assert plan.value == pytest.approx(plan.candidate_values[:5].max())
    assert len({float(x) for x in plan.candidates[:5, 0, 0]}) == 5


def test_what_is_tried_is_not_changed_for_little(make: Make, frame_at: Frame) -> None:
    first, plans = make(planner="policy"), []
    for margin in (0.0, 0.05, 10.0):
        controller = make(proposals=("policy",), policy_proposals=2, margin=margin)
        for one in (first, controller):
            one.start(task("at 0.4"))
            plans.append(one.plan(frame_at(0.1)))
    alone, *_ = plans
    for refined in plans[1:4:2]:  # clearly better: taken
        assert refined.value > alone.value + 0.05
    np.testing.assert_array_equal(plans[5].actions, alone.actions)
    assert plans[5].value == pytest.approx(alone.value)
    np.testing.assert_allclose(plans[5].path, alone.path, atol=1e-6)
    np.testing.assert_array_equal(plans[5].foreseen, alone.foreseen)


def test_the_plan_foresees_every_step_and_keeps_its_history(make: Make, frame_at: Frame) -> None:
    controller = make(gradient=GradientConfig(iterations=3))
    controller.start(task("at 0.3"))
    plan = controller.plan(frame_at(0.1))
    x = 0.1 + np.concatenate([[0.0], plan.actions[:, 0].cumsum()])
    np.testing.assert_allclose(plan.foreseen, np.exp(-((x - 0.3) ** 2) / 0.02)[None], rtol=1e-4)
    assert plan.history.shape == (4, 8, 2)
    best = int(plan.values.argmax())
    np.testing.assert_array_equal(plan.history[best], plan.actions)


def test_the_policy_sees_the_last_two_frames_of_this_task(make: Make, frame_at: Frame) -> None:
    policy = PointPolicy()
    controller = make(planner="policy", policy=policy)
    controller.start(task("at 0.4"))
    controller.plan(frame_at(0.1))
    controller.plan(frame_at(0.2), executed=3)
    controller.plan(frame_at(0.3))  # four, as the settings say
    controller.start(task("at 0.0"))
    controller.plan(frame_at(0.1))
    assert policy.seen == [[(0.1, 0)], [(0.1, 3), (0.2, 0)], [(0.2, 4), (0.3, 0)], [(0.1, 0)]]


def test_warming_up_leaves_the_frames_of_a_task_alone(point_model, frame_at: Frame) -> None:
    class Still(PointPolicy):
        def propose(self, observations, questions, count: int, generator: torch.Generator) -> torch.Tensor:
            self.seen.append([(observed.frame, observed.age) for observed in observations])
            return torch.zeros(count, 16, 2)

    point_model.read = lambda observation, questions: (observation, [(0.2, False)] * len(questions))
    policy, config = Still(), PlannerConfig(planner="policy")
    controller = Controller(point_model, (-LIMIT,) * 2, (LIMIT,) * 2, ("dx", "dy"), config, policy=policy)
    controller.start(task("at 0.2"))
    controller.plan(frame_at(0.1))
    controller.warm_up()
    controller.plan(frame_at(0.3))
    assert policy.seen[-1] == [(0.1, 4), (0.3, 0)]


def test_a_frame_in_which_the_subgoal_changes_is_seen_once(make: Make, frame_at: Frame) -> None:
    policy = PointPolicy()
    controller = make(planner="policy", policy=policy, complete_frames=1)
    controller.start(task("at 0.1", "at 0.4"))
    plan = controller.plan(frame_at(0.1))
    assert policy.seen == [[(0.1, 0)]]
    assert plan.actions[0, 0] > 0


def test_a_policy_that_is_missing_or_too_short_is_refused(point_model) -> None:
    bounds = (-LIMIT,) * 2, (LIMIT,) * 2, ("dx", "dy")
    for config in (PlannerConfig(planner="policy"), with_policy(PlannerConfig())):
        with pytest.raises(ConfigError, match="need a base policy"):
            Controller(point_model, *bounds, config)
    short = PointPolicy()
    short.horizon = 8
    with pytest.raises(ConfigError, match="longer than the policy"):
        Controller(point_model, *bounds, with_policy(PlannerConfig()), policy=short)


def test_a_policy_stands_in_for_uniform_proposals() -> None:
    assert with_policy(PAPER_LANGTABLE).proposals == ("policy",)
    assert with_policy(PlannerConfig()).proposals == ("policy", *PlannerConfig().proposals)
    assert without_policy(PlannerConfig(proposals=("policy",))).proposals == PlannerConfig().proposals
    assert without_policy(PlannerConfig(proposals=("policy", "still"))).proposals == ("still",)


def test_the_last_plan_is_a_proposal(make: Make, frame_at: Frame) -> None:
    controller = make(gradient=GradientConfig(iterations=0))
    controller.start(task("at 0.15"))
    first = controller.plan(frame_at(0.1)).actions
    again = controller.plan(frame_at(0.1), executed=0)
    assert again.value >= controller.plan(frame_at(0.1), executed=0).value - 1e-6
    np.testing.assert_array_equal(again.actions, first)


def test_a_deadline_is_kept(make: Make, frame_at: Frame) -> None:
    controller = make(gradient=GradientConfig(iterations=100_000))
    controller.start(task("at 0.4"))
    plan = controller.plan(frame_at(0.1), deadline=0.3)
    assert plan.deadline_missed
    assert plan.timings["total"] < 0.6
    assert 0 <= plan.timings["encode"] <= plan.timings["total"]


def test_asking_gives_the_probability_at_every_horizon(make: Make, frame_at: Frame) -> None:
    controller = make()
    actions = np.tile(np.array([[0.02, 0.0]], np.float32), (5, 1))
    found = controller.ask(frame_at(0.1), ["at 0.2", "not at 0.2"], actions)
    expected = np.exp(-((0.1 + 0.02 * np.arange(6) - 0.2) ** 2) / 0.02)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    np.testing.assert_allclose(found[1], 1 - expected, atol=1e-5)
    now = controller.ask(frame_at(0.1), ["at 0.2"], np.zeros((0, 2), np.float32))
    np.testing.assert_allclose(now, expected[None, :1], atol=1e-5)


@pytest.mark.parametrize("actions", [np.zeros((17, 2)), np.zeros((3, 3)), np.full((2, 2), np.inf)])
def test_asking_about_wrong_actions_is_refused(make: Make, frame_at: Frame, actions: np.ndarray) -> None:
    with pytest.raises(PlanningError):
        make().ask(frame_at(0.1), ["at 0.2"], actions)


def test_settings_that_do_not_fit_the_model_are_refused(point_model) -> None:
    with pytest.raises(ConfigError, match="horizon 20"):
        Controller(point_model, (-1, -1), (1, 1), ("dx", "dy"), PlannerConfig(horizon=20))
    with pytest.raises(ConfigError, match="2 dimensions"):
        Controller(point_model, (-1,), (1,), ("dx",), PlannerConfig(horizon=8))
    for wrong in ({"planner": "cem"}, {"execute": 17}, {"sub_chunk": 17}, {"execute": 0}):
        with pytest.raises(ConfigError):
            replace(PlannerConfig(), **wrong)


def test_the_papers_preset() -> None:
    gradient = PAPER_LANGTABLE.gradient
    assert (gradient.iterations, gradient.rate, gradient.clip, gradient.unit, gradient.trust) == (
        10,
        0.02,
        1.0,
        False,
        0.0,
    )
    assert (PAPER_LANGTABLE.horizon, PAPER_LANGTABLE.sub_chunk, PAPER_LANGTABLE.execute) == (16, 8, 4)


def test_plans_do_not_depend_on_the_state_of_torch(make: Make, frame_at: Frame) -> None:
    plans = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        controller = make(planner="mppi", seed=5)
        controller.start(task("at 0.4"))
        plans.append(controller.plan(frame_at(0.1)).actions)
    np.testing.assert_array_equal(*plans)
