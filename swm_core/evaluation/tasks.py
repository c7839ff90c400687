# SPDX-License-Identifier: Apache-2.0
"""Episodes of tasks in a simulated environment, in lockstep (paper Sec. 5, A.3.1).

The rules, the same for all planners, so that methods are compared on the same starts:

- An episode is determined by environment, objects, task, seed and planner settings.
- The layout is the first of the seed's random stream in which the first step of the goal does not hold; earlier ones
  are passed over (`env.reset()` without a seed goes on in the stream) and counted as redraws. Otherwise about one push
  in ten would succeed without moving.
- Success is the truth of A.3.1 in the simulator's scene, checked after every action: reach is contact of effector and
  block, push is centres nearer than 0.075 m, separate is centres farther than 0.1 m, stack is one block on another
  and the gripper off it. The model has no say in it.
  Steps of a sequence are done in their order, each once; steps in any order ("and") must all hold at the same time.
- The planner sees a frame, plans, `execute` actions are taken, and it plans again, until success or the last step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from swm_core.environment import Environment, EnvironmentEntry
from swm_core.errors import ConfigError, GoalError
from swm_core.evaluation.planners import Actor, Chosen
from swm_core.evaluation.traces import Moment, Trace, guess_cause
from swm_core.layouts import MOST_REDRAWS, pass_over_solved
from swm_core.planning.controller import PlannerConfig
from swm_core.scene import SceneState
from swm_core.tasks.goal_text import parse_goal
from swm_core.tasks.library import PUSH, REACH, SEPARATE, STACK, TaskSpec, build_task, steps_done, wanted_truths

TASK_NAMES = (REACH, PUSH, SEPARATE, STACK)

Watch = Callable[[np.ndarray, Chosen, int], None]  # frame, what was chosen last, actions taken since then


@dataclass(frozen=True)
class TaskEvaluation:
    """What is evaluated; everything that an episode's outcome depends on but its seed.

    Attributes:
        environment: name of a registered environment.
        objects: names of the objects on the table.
        task: a task name ("reach", "push", "separate", "stack": other objects for each seed) or a goal text.
        steps: most actions in an episode.
        planner: how to plan.
        weights: hash of the model's weights; None where the planner uses no model.
        policy: hash of the base policy's weights; None where there is none.
        phrasing: which wording the questions have; 0 is the paper's.
        held_out: whether it is one that training never used (paper Table 8).
        weighted: whether the questions have their weights, or equal ones (paper Table 7).
    """

    environment: str
    objects: tuple[str, ...]
    task: str
    steps: int
    planner: PlannerConfig
    weights: str | None = None
    policy: str | None = None
    phrasing: int = 0
    held_out: bool = False
    weighted: bool = True

    def __post_init__(self) -> None:
        """Check the task and the steps.

        Raises:
            GoalError: the task is neither a name nor a goal that can be understood, or needs more objects.
            ConfigError: no steps, or a phrasing below 0.
        """
        if self.steps < 1 or self.phrasing < 0:
            raise ConfigError(f"an episode needs at least one step, got {self.steps}; phrasing {self.phrasing}")
        choose_steps(self.task, self.objects, 0)

    def description(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class EpisodeRecord:
    """One evaluated episode.

    Attributes:
        seed: of the environment.
        task: goal text.
        success: whether the goal was reached.
        steps: actions taken; those up to success where there was one.
        redraws: layouts passed over because the goal held already.
        subgoals_done: steps of the task done.
        plan_ms: time of each planning call.
        seconds: wall time of the episode.
        commit: version of the code that ran it.
        foretold: for every plan and question, the question's type, the probability that was foreseen of the wanted
            answer after the actions that were then executed, and whether it came true.
        cause: of a failure, a guess from what was measured (`traces.Cause`); empty where there is none.
    """

    seed: int
    task: str
    success: bool
    steps: int
    redraws: int
    subgoals_done: int
    plan_ms: tuple[float, ...]
    seconds: float
    commit: str
    foretold: tuple[tuple[str, float, bool], ...] = ()
    cause: str = ""


def choose_steps(task: str, objects: Sequence[str], seed: int) -> tuple[TaskSpec, ...]:
    """The steps of a task for one seed.

    A task name chooses objects by the seed: block number `seed mod N`, and for pairs a second one that goes through all
    others as the seed goes on, so that N * (N - 1) seeds in a row see every ordered pair once.

    Args:
        task: task name or goal text.
        objects: the N objects on the table.
        seed: of the environment.

    Raises:
        GoalError: a goal that cannot be understood, or too few objects.
    """
    if task not in TASK_NAMES:
        return parse_goal(task, objects)
    n = len(objects)
    first = seed % n
    if task == REACH:
        return (TaskSpec(REACH, (objects[first],)),)
    if n < 2:
        raise GoalError(f"{task} needs two objects, the table has {n}")
    second = (first + 1 + seed // n % (n - 1)) % n
    return (TaskSpec(task, (objects[first], objects[second])),)


def draw_start(env: Environment, objects: tuple[str, ...], steps: Sequence[TaskSpec], seed: int) -> int:
    """Reset to the seed's first layout in which the goal's first step does not hold; returns the layouts passed over.

    Raises:
        ConfigError: it holds in every one of many layouts.
        SceneError: a block of the task is not on the table.
    """
    env.reset(seed=seed, options={"objects": objects})
    redraws = pass_over_solved(env, objects, steps)
    if redraws is not None:
        return redraws
    raise ConfigError(f"'{steps[0]}' holds at the start in each of {MOST_REDRAWS} layouts of seed {seed}")


def foretold(
    chosen: Chosen,
    specs: Sequence[TaskSpec],
    entry: EnvironmentEntry,
    before: SceneState,
    after: SceneState,
    executed: int,
) -> list[tuple[str, float, bool]]:
    """What a plan foresaw after its executed actions beside what happened; see `EpisodeRecord.foretold`."""
    if chosen.foreseen is None or not executed < chosen.foreseen.shape[-1]:
        return []
    truths = wanted_truths(specs, chosen.subgoal, before, after, entry.questions)
    foreseen = chosen.foreseen[:, executed].tolist()
    return [(name, round(p, 4), true) for (name, true), p in zip(truths, foreseen, strict=True) if true is not None]


def run_episode(
    evaluation: TaskEvaluation,
    entry: EnvironmentEntry,
    env: Environment,
    actor: Actor,
    seed: int,
    commit: str,
    watch: Watch | None = None,
    traced: Callable[[EpisodeRecord, Trace], None] | None = None,
) -> EpisodeRecord:
    """Play one episode.

    Args:
        evaluation: what is evaluated.
        entry: registration of its environment.
        env: an environment of it, without frames in its observations; reused between episodes.
        actor: chooses the actions.
        seed: of the environment.
        commit: version to note.
        watch: called with every frame, the last one included.
        traced: called at the end, if the goal was not reached, with all that happened.
    """
    begun = time.perf_counter()
    specs = choose_steps(evaluation.task, evaluation.objects, seed)
    redraws = draw_start(env, evaluation.objects, specs, seed)
    task = build_task(specs, entry.questions, evaluation.phrasing, held_out=evaluation.held_out)
    task = task if evaluation.weighted else task.unweighted()
    actor.start(task, seed)
    trace = Trace(specs, task, scenes=[env.scene()], done=[0])
    taken = done = executed = 0
    times: list[float] = []
    told: list[tuple[str, float, bool]] = []
    while taken < evaluation.steps and done < len(specs):
        image = env.render() if actor.needs_frames or watch else None
        asked = time.perf_counter()
        chosen = actor.act(image, executed)
        times.append(round(1000 * (time.perf_counter() - asked), 2))
        trace.moments.append(Moment(taken, image, chosen))
        before, executed = trace.scenes[-1], 0
        for action in chosen.actions[: evaluation.steps - taken]:
            if watch:
                watch(env.render(), chosen, executed)
            env.step(action)
            taken, executed = taken + 1, executed + 1
            trace.scenes.append(env.scene())
            done = steps_done(specs, trace.scenes[-1], done)
            trace.done.append(done)
            if done == len(specs):
                break
        told += foretold(chosen, specs, entry, before, trace.scenes[-1], executed)
    if watch:
        watch(env.render(), chosen, executed)
    success, seconds = done == len(specs), round(time.perf_counter() - begun, 3)
    cause = "" if success else guess_cause(trace, entry).word
    told_all = tuple(times), seconds, commit, tuple(told), cause
    record = EpisodeRecord(seed, task.name, success, taken, redraws, done, *told_all)
    if traced is not None and not success:
        trace.last = env.render()
        traced(record, trace)
    return record
