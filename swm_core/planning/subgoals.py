# SPDX-License-Identifier: Apache-2.0
"""How far a task has come, which of its subgoals is pursued, and when it is given up (paper Sec. 3.4, A.3.3).

A subgoal is reached when the model answers its completion questions as wanted, several frames in a row. Subgoals in
order are left for good. Where their order is free, the one whose best proposal is worth most is pursued, and one that
was reached is pursued again when it is undone.
"""

from __future__ import annotations

from collections.abc import Mapping

from swm_core.planning.settings import PlannerConfig
from swm_core.tasks.task import Task


class Pursuit:
    """One task, from its beginning.

    Args:
        task: the task.
        config: when a subgoal counts as reached, and when it is given up.

    Attributes:
        subgoal: number of the subgoal pursued.
        finished: whether all were reached.
    """

    def __init__(self, task: Task, config: PlannerConfig) -> None:
        count = len(task.subgoals)
        self.task, self.config = task, config
        self.subgoal, self.finished = 0, False
        self._reached = [False] * count
        self._frames = [0] * count  # in a row, that tell the contrary of `_reached`
        self._actions = [0] * count  # executed in pursuit
        self._completion = [0.0] * count
        self._begun = False
        self._settled = False  # whether the subgoal pursued was chosen for its value

    @property
    def watched(self) -> list[int]:
        """Subgoals whose completion is to be asked about each frame."""
        return [self.subgoal] if self.task.ordered else list(range(len(self.task.subgoals)))

    @property
    def open(self) -> list[int]:
        """Subgoals that may be pursued; never empty."""
        if self.task.ordered:
            return [self.subgoal]
        left = [i for i, reached in enumerate(self._reached) if not reached]
        return [i for i in left if not self._exhausted(i)] or left or [self.subgoal]

    @property
    def given_up(self) -> str:
        """Why the task is given up; empty while it is not."""
        if self.finished or not all(self._exhausted(i) for i in self.open):
            return ""
        goal, count = self.task.subgoals[self.subgoal], len(self.task.subgoals)
        asked = " and that to ".join(f"'{q.text}' is {'yes' if q.desired else 'no'}" for q in goal.completion)
        which = f"subgoal {self.subgoal + 1} of {count}" if count > 1 else "the goal"
        within, p = f"within {self.config.subgoal_actions} actions", self._completion[self.subgoal]
        return f"{which} was not reached {within}: the answer to {asked} with probability {p:.2f}"

    def count(self, executed: int) -> None:
        """Actions were executed since the last plan; those before the task's first plan are none of its own."""
        if self._begun:
            self._actions[self.subgoal] += executed
        self._begun = True

    def see(self, completion: Mapping[int, float]) -> None:
        """Take in, for some subgoals, how probable it is that they are reached in a frame; go on where one is."""
        for number, p in completion.items():
            self._completion[number] = p
            sure = self.config.complete_above
            contrary = p < 1 - sure if self._reached[number] else p > sure
            self._frames[number] = self._frames[number] + 1 if contrary else 0
            if self._frames[number] >= self.config.complete_frames:
                self._reached[number], self._frames[number] = not self._reached[number], 0
        self.finished = self.finished or all(self._reached)
        if self.task.ordered:
            if self._reached[self.subgoal] and not self.finished:
                self.subgoal += 1
        elif self.subgoal not in self.open:
            self.subgoal, self._settled = self.open[0], False

    def choose(self, values: Mapping[int, float]) -> None:
        """Pursue the open subgoal of the highest value; the present one is left only for one that is clearly better.

        Args:
            values: of each open subgoal's best proposal, as a share of the highest possible.
        """
        best = max(values, key=lambda number: values[number])
        if not self._settled or values[best] > values[self.subgoal] + self.config.switch_margin:
            self.subgoal, self._settled = best, True

    def _exhausted(self, number: int) -> bool:
        return 0 < self.config.subgoal_actions <= self._actions[number]
