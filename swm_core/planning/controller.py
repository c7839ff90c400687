# SPDX-License-Identifier: Apache-2.0
"""Receding-horizon control: plan, execute the first steps, plan again, subgoal after subgoal (paper Sec. 3.3, 3.4)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from swm_core.environment import action_axes, load_environment
from swm_core.errors import ConfigError, ModelError, PlanningError
from swm_core.models.grounded import GroundedModel
from swm_core.models.interface import WorldModel
from swm_core.models.loading import load_world_model
from swm_core.models.shipped import shipped_model
from swm_core.models.uninformed import UninformedModel
from swm_core.models.weights import weights_hash
from swm_core.planning.gradient import climb
from swm_core.planning.mppi import sample_plan
from swm_core.planning.plan import Plan
from swm_core.planning.proposals import Known, first_guesses, uniform_chunk
from swm_core.planning.search import Bounds, Deadline, Search
from swm_core.planning.settings import DEFAULT, POLICY, WITHOUT_MODEL, PlannerConfig
from swm_core.planning.value import Score, desired, make_score
from swm_core.policies.base import BasePolicy, Observed
from swm_core.tasks.task import Subgoal, Task, WeightedQuestion


class Controller:
    """Plans for the current subgoal of a task from one frame at a time.

    Args:
        model: answers questions.
        low: (A,) lower bounds of the actions.
        high: (A,) upper bounds.
        action_names: names of the action dimensions.
        config: how to plan.
        seed: of sampling planners.
        policy: base policy; needed where the settings name it.

    Raises:
        ConfigError: the horizon is longer than the model's or the policy's, the bounds do not fit the model's actions,
            or the settings name a base policy and there is none.
    """

    def __init__(
        self,
        model: WorldModel,
        low: Sequence[float],
        high: Sequence[float],
        action_names: Sequence[str],
        config: PlannerConfig = DEFAULT,
        seed: int = 0,
        policy: BasePolicy | None = None,
    ) -> None:
        if config.horizon > model.horizon:
            raise ConfigError(f"planning horizon {config.horizon} is longer than the model's {model.horizon}")
        if not len(low) == len(high) == len(action_names) == model.action_dim:
            raise ConfigError(f"the model takes actions of {model.action_dim} dimensions, the bounds have {len(low)}")
        if config.needs_policy and policy is None:
            raise ConfigError("these planner settings need a base policy, and none is given")
        if policy is not None and config.horizon > policy.horizon:
            raise ConfigError(f"planning horizon {config.horizon} is longer than the policy's {policy.horizon}")
        self.model, self.config, self.seed, self.policy = model, config, seed, policy
        self.low, self.high = torch.tensor(low, dtype=torch.float32), torch.tensor(high, dtype=torch.float32)
        self.axes = action_axes(action_names)
        self._random = torch.Generator().manual_seed(seed)
        self._task: Task | None = None
        self._previous: Tensor | None = None
        self._observed: tuple[Observed, ...] = ()  # the last frames that the policy looks at
        self._complete = 0
        self.subgoal, self.finished = 0, False
        self.weights = ""  # hash of the saved model's, where it was read from a folder

    @classmethod
    def load(
        cls,
        environment: str,
        folder: Path | None = None,
        config: PlannerConfig = DEFAULT,
        seed: int = 0,
        policy: Path | None = None,
    ) -> Controller:
        """A controller with a saved model; planners that ask no questions do without where none is shipped.

        Args:
            environment: whose action bounds hold, and whose shipped model is taken when no folder is given.
            folder: of a saved model.
            config: how to plan.
            seed: of sampling planners.
            policy: folder of a saved base policy, trained on this model's features; None for none.

        Raises:
            ModelError: no such model or policy, damaged files, or a policy trained on another model.
            ConfigError: no such environment, or settings or bounds that do not fit the model.
        """
        spec = load_environment(environment).spec
        actions = spec.action_low, spec.action_high, spec.action_names
        try:
            folder = folder or shipped_model(environment)
        except ModelError:
            if config.planner not in WITHOUT_MODEL:
                raise
            return cls(UninformedModel(spec, config.horizon), *actions, config, seed)
        model, base = load_world_model(folder), None
        if policy is not None:
            if not isinstance(model, GroundedModel):
                raise ConfigError(f"base policies take the features of compact models; {folder} holds another")
            from swm_core.policies.diffusion import DiffusionPolicy  # its import takes seconds

            base = DiffusionPolicy.load(policy, model, weights_hash(folder))
        made = cls(model, *actions, config, seed, base)
        made.weights = weights_hash(folder)
        return made

    def start(self, task: Task) -> None:
        """Begin a task at its first subgoal; nothing of an earlier one is kept."""
        self._task, self._previous, self._observed, self._complete = task, None, (), 0
        self.subgoal, self.finished = 0, False
        self._random.manual_seed(self.seed)

    @property
    def task(self) -> Task:
        """The task begun.

        Raises:
            PlanningError: none was.
        """
        if self._task is None:
            raise PlanningError("no task was started")
        return self._task

    def observe(self, image: np.ndarray) -> object:
        """Encode a frame.

        Raises:
            PlanningError: wrong shape or type.
        """
        try:
            return self.model.observe(image)
        except ModelError as error:
            raise PlanningError(str(error)) from error

    def plan(
        self,
        image: np.ndarray,
        committed: np.ndarray | None = None,
        deadline: float | None = None,
        executed: int | None = None,
    ) -> Plan:
        """Plan from a frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            committed: (m, A) actions from this frame on that are already decided, m below the horizon; none by default.
            deadline: seconds from now; the best so far is returned in time. None for no limit.
            executed: actions executed since the frame of the previous plan; the configured number by default.

        Returns:
            The plan; its subgoal may have been entered with this very frame.

        Raises:
            PlanningError: no task, or a frame or committed actions of a wrong shape.
        """
        subgoal, clock = self.task.subgoals[self.subgoal], Deadline(deadline)
        observation = self.observe(image)
        encoded = clock.elapsed
        bounds = Bounds(self.low, self.high, self._committed(committed))
        ends = [last for last in subgoal.completion if last not in subgoal.questions]
        questions = (*subgoal.questions, *ends)  # the others are read beside them; they count in no value
        prefix = self.model.read(observation, [q.text for q in questions])
        with torch.no_grad():
            present = self.model.answer(prefix, torch.zeros(1, 0, len(self.low)))
        now = desired(present.yes, questions)[0, :, 0]
        completion = min(float(now[questions.index(last)]) for last in subgoal.completion)
        pursued = self.subgoal
        self._progress(completion)
        if self.subgoal != pursued:  # plan for the new subgoal, from this very frame
            return self.plan(image, committed, None if deadline is None else deadline - clock.elapsed, executed)
        score = make_score(lambda actions: self.model.answer(prefix, actions), subgoal.questions, self.config.sub_chunk)
        executed = self.config.execute if executed is None else executed
        drawn = self._draw(observation, subgoal, executed)
        seen = None if present.positions is None else present.positions[0, :, 0]  # (K, M, 3)
        known = Known(self._previous, executed, seen, drawn)
        proposals = first_guesses(self.config, bounds, self.axes, known, self._random)
        begun = clock.elapsed
        search = self._search(score, proposals, bounds, clock)
        if drawn is not None and self.config.planner != POLICY:
            first = bounds.apply(drawn[:1])
            with torch.no_grad():
                search.defer_to(first, score(first), self.config.margin)
        self._previous = search.actions
        timings = {"encode": encoded, "iterations": clock.elapsed - begun}
        return self._report(search, subgoal, now, completion, bounds, clock, timings)

    def ask(self, image: np.ndarray, questions: Sequence[str], actions: np.ndarray) -> np.ndarray:
        """Probability of yes to questions about the future of a frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            questions: K texts.
            actions: (h, A) in the environment's unit; h may be 0.

        Returns:
            (K, h + 1) float32, at horizons 0..h.

        Raises:
            PlanningError: a frame or actions of a wrong shape, actions that are not finite, or too many of them.
            QuestionError: a question that cannot be read.
        """
        chunk = self._actions(actions, "actions")
        if len(chunk) > self.model.horizon:
            raise PlanningError(f"{len(chunk)} actions are more than the model's horizon of {self.model.horizon}")
        with torch.no_grad():
            prefix = self.model.read(self.observe(image), questions)
            return self.model.answer(prefix, chunk[None]).yes[0].numpy()

    def warm_up(self) -> None:
        """Plan once for nothing, so that the first real plan takes no longer than the others."""
        task, state = self._task, (self.subgoal, self.finished, self._previous, self._observed, self._complete)
        question = "Is it touching?"
        self.start(Task("warm-up", (Subgoal((WeightedQuestion(question), WeightedQuestion(question))),)))
        for _ in range(2):
            self.plan(np.zeros(self.model.image_shape, np.uint8))
        self._task, (self.subgoal, self.finished, self._previous, self._observed, self._complete) = task, state
        self._random.manual_seed(self.seed)

    def _actions(self, actions: np.ndarray, what: str) -> Tensor:
        if not np.size(actions):
            return torch.zeros(0, len(self.low))
        chunk = np.asarray(actions, np.float32)
        if chunk.ndim != 2 or chunk.shape[1] != len(self.low) or not np.isfinite(chunk).all():
            raise PlanningError(f"{what} must be finite, of shape (m, {len(self.low)}); got shape {chunk.shape}")
        return torch.from_numpy(chunk.copy())

    def _committed(self, committed: np.ndarray | None) -> Tensor:
        chunk = self._actions(np.zeros((0, len(self.low))) if committed is None else committed, "committed actions")
        if len(chunk) >= self.config.horizon:
            raise PlanningError(f"{len(chunk)} committed actions leave nothing of the horizon {self.config.horizon}")
        return chunk

    def _progress(self, completion: float) -> None:
        """Count frames in a row in which the completion questions are answered as wanted; go on to the next subgoal."""
        self._complete = self._complete + 1 if completion > self.config.complete_above else 0
        if self._complete < self.config.complete_frames or self.finished:
            return
        if self.subgoal + 1 < len(self.task.subgoals):
            self.subgoal, self._complete, self._previous = self.subgoal + 1, 0, None
        else:
            self.finished = True

    def _draw(self, observation: object, subgoal: Subgoal, executed: int) -> Tensor | None:
        """(C, H, A) chunks of the base policy, None where it takes no part; remembers the frame for the next ones."""
        if self.policy is None or not self.config.needs_policy:
            return None
        earlier = [Observed(seen.frame, seen.age + executed) for seen in self._observed]
        self._observed = (*earlier, Observed(observation))[-self.policy.frames :]
        count = 1 if self.config.planner == POLICY else self.config.policy_proposals
        drawn = self.policy.propose(self._observed, subgoal.questions, count, self._random)
        return drawn[:, : self.config.horizon]

    def _search(self, score: Score, proposals: Tensor, bounds: Bounds, clock: Deadline) -> Search:
        """Run the configured planner."""
        kind, shape = self.config.planner, (self.config.horizon, len(self.low))
        if kind == "gradient":
            return climb(score, proposals, bounds, self.config.gradient, clock)
        if kind == "mppi":
            start = None if self.config.proposals == ("uniform",) else proposals
            return sample_plan(score, start, shape, bounds, self.config.mppi, self._random, clock)
        chunk = proposals if kind == POLICY else torch.zeros(1, *shape)
        if kind == "random":
            chunk = uniform_chunk(shape, bounds, self._random)
        search, chunk = Search(), bounds.apply(chunk)
        with torch.no_grad():
            search.record(chunk, score(chunk))
        return search

    def _report(
        self,
        search: Search,
        subgoal: Subgoal,
        now: Tensor,
        completion: float,
        bounds: Bounds,
        clock: Deadline,
        timings: dict[str, float],
    ) -> Plan:
        foreseen = search.foreseen if search.foreseen is not None else torch.zeros(0, 0)
        path = search.path if search.path is not None else torch.zeros(self.config.horizon + 1, 3)
        return Plan(
            actions=search.actions.numpy(),
            committed=len(bounds.committed),
            value=search.value,
            questions=tuple(q.text for q in subgoal.questions),
            probabilities=torch.stack(search.probabilities).numpy(),
            values=np.array(search.values, np.float32),
            step_sizes=np.array(search.step_sizes, np.float32),
            now=now[: len(subgoal.questions)].numpy(),
            completion=completion,
            path=path.numpy(),
            foreseen=foreseen.numpy(),
            history=torch.stack(search.history).numpy(),
            candidates=search.candidates.numpy(),
            candidate_values=search.candidate_values.numpy(),
            timings=timings | {"total": time.perf_counter() - clock.start},
            deadline_missed=clock.missed,
        )
