# SPDX-License-Identifier: Apache-2.0
"""What happened in an evaluated episode, plan by plan, and a guess why its goal was not reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from swm_core.environment import EnvironmentEntry
from swm_core.evaluation.planners import Chosen
from swm_core.scene import SceneState
from swm_core.tasks.library import REACH, SEPARATE, AnyOrder, TaskSpec, subgoals, wanted_truths
from swm_core.tasks.task import Task
from swm_core.tasks.words import mentions

PERCEPTION, COMPLETION, LIMITS, DYNAMICS, PROPOSAL = "perception", "completion", "limits", "dynamics", "proposal"
FOUND = 0.03  # m; a thing that is seen farther than this from where it is was not found
PROGRESS = 0.02  # m that the distance to the goal fell in the last third of an episode that came nearer
REPEATED = 3  # promises that were not kept
LIKELY = 0.5  # probability from which an answer is foreseen
BELIEVED = 0.7  # and from which a goal is held for reached


@dataclass(frozen=True)
class Moment:
    """One planning call.

    Attributes:
        step: actions taken before it.
        image: (H, W, 3) uint8 RGB frame, or None where the planner needs none.
        chosen: what was chosen.
    """

    step: int
    image: np.ndarray | None
    chosen: Chosen


@dataclass
class Trace:
    """An episode of T actions.

    Attributes:
        specs: the steps of its task.
        task: their questions, as asked.
        moments: the planning calls.
        scenes: T + 1 true scenes.
        done: T + 1 numbers of steps done in each.
        last: (H, W, 3) uint8 RGB frame of the last scene; None where nobody looks at it.
    """

    specs: Sequence[TaskSpec]
    task: Task
    moments: list[Moment] = field(default_factory=list)
    scenes: list[SceneState] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    last: np.ndarray | None = None

    def deciding(self, moment: Moment) -> list[int]:
        """Numbers of the questions that say whether the moment's subgoal is reached."""
        goal = self.task.subgoals[moment.chosen.subgoal]
        return [k for k, question in enumerate(goal.questions) if question in goal.completion]

    def foresights(self) -> list[tuple[Moment, np.ndarray]]:
        """The moments at which something was foreseen, each with (H + 1,) probabilities that its subgoal is reached."""
        found = [(moment, moment.chosen.foreseen) for moment in self.moments]
        return [(moment, p[self.deciding(moment)].min(0)) for moment, p in found if p is not None and p.size]

    def reached(self, entry: EnvironmentEntry, moment: Moment, end: int) -> bool:
        """Whether the answers that end the moment's subgoal are right in scene `end`."""
        happened = self.happened(entry, moment, end)
        return all(happened[k] for k in self.deciding(moment))

    def happened(self, entry: EnvironmentEntry, moment: Moment, end: int) -> list[bool | None]:
        """Per question of the moment's subgoal, whether the wanted answer is right in scene `end`; None: undefined."""
        before, after = self.scenes[moment.step], self.scenes[end]
        return [true for _, true in wanted_truths(self.specs, moment.chosen.subgoal, before, after, entry.questions)]

    def seen(self, entry: EnvironmentEntry, moment: Moment) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Where each thing that the subgoal's questions name is seen and where it is, both (3,) m, world frame."""
        found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        scene, seen = self.scenes[moment.step], moment.chosen.seen
        if seen is None or not seen.size:
            return found
        for k, question in enumerate(self.task.subgoals[moment.chosen.subgoal].questions):
            named = mentions(question.text, scene.names, entry.effector_words)
            for (_, index), place in zip(named, seen[k, 1:], strict=False):
                if index < len(scene.names) and np.isfinite(place).all():
                    found[scene.names[index]] = place, scene.positions[index]
        return found


@dataclass(frozen=True)
class Cause:
    """Why an episode failed, as far as numbers tell.

    Attributes:
        word: "perception" (a named thing was not found within 3 cm in most plans), "completion" (the goal was held for
            reached, or its subgoal left, when it was not), "limits" (it still came nearer when the steps were used
            up), "dynamics" (success was foreseen several times and did not happen), "proposal" (no candidate was
            foreseen to succeed); empty where nothing is foreseen.
        reason: the number that tells, in words.
    """

    word: str
    reason: str


def remaining(spec: TaskSpec, scene: SceneState) -> float:
    """Distance between what the step wants together; negative where it wants them apart, m."""
    first, *others = (scene.positions[scene.index(name)] for name in spec.blocks)
    if spec.kind == REACH:
        return float(np.linalg.norm((first - scene.effector)[:2]))
    distances = [float(np.linalg.norm(first - other)) for other in others]
    return -min(distances) if spec.kind == SEPARATE else distances[0]


def promises(trace: Trace, entry: EnvironmentEntry) -> list[bool]:
    """For every plan that foresaw its subgoal reached, whether that came true in time.

    In time is after as many actions as were foreseen and one more plan; plans that the episode's end left no time for
    do not count, nor do those made when it was reached already.
    """
    kept = []
    for moment, foreseen in trace.foresights():
        likely = np.flatnonzero(foreseen > LIKELY)
        if not len(likely) or trace.reached(entry, moment, moment.step):
            continue
        end = moment.step + int(likely[0]) + len(moment.chosen.actions)
        if end < len(trace.scenes):
            kept.append(any(trace.reached(entry, moment, t) for t in range(moment.step + 1, end + 1)))
    return kept


def guess_cause(trace: Trace, entry: EnvironmentEntry) -> Cause:
    """Guess why an episode's goal was not reached; the first of the causes in `Cause` that its numbers show."""
    foresights = trace.foresights()
    plans = [moment for moment, _ in foresights]
    if not plans:
        return Cause("", "nothing is foreseen")
    errors: dict[str, list[float]] = {}
    for moment in plans:
        for name, (seen, true) in trace.seen(entry, moment).items():
            errors.setdefault(name, []).append(float(np.linalg.norm((seen - true)[:2])))
    for name, found in errors.items():
        if np.median(found) > FOUND:
            return Cause(PERCEPTION, f"the {name} is seen {100 * np.median(found):.0f} cm from where it is")
    step_of = [i for i, spec in enumerate(trace.specs) for _ in subgoals(spec, entry.questions)]
    in_order = not isinstance(trace.specs, AnyOrder)
    early = [m for m in plans if in_order and step_of[m.chosen.subgoal] > trace.done[m.step]]
    if early:
        return Cause(COMPLETION, f"'{trace.specs[trace.done[early[0].step]]}' was left undone at step {early[0].step}")
    late = plans[-max(1, len(plans) // 4) :]
    believed = [m for m in late if (m.chosen.completion or 0.0) > BELIEVED]
    if 2 * len(believed) > len(late):
        return Cause(COMPLETION, f"held for reached in {len(believed)} of the last {len(late)} plans")
    pursued = trace.specs[step_of[plans[-1].chosen.subgoal]]
    nearer = remaining(pursued, trace.scenes[2 * len(trace.scenes) // 3]) - remaining(pursued, trace.scenes[-1])
    if nearer > PROGRESS:
        return Cause(LIMITS, f"{100 * nearer:.0f} cm nearer in the last third")
    kept = promises(trace, entry)
    broken = kept.count(False)
    if broken >= REPEATED:
        return Cause(DYNAMICS, f"foreseen by {len(kept)} plans, {broken} times for nothing")
    best = max(float(foreseen.max()) for _, foreseen in foresights)
    return Cause(PROPOSAL, f"foreseen by {len(kept)} of {len(plans)} plans, at best with probability {best:.2f}")
