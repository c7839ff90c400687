# SPDX-License-Identifier: Apache-2.0
"""Receding-horizon control: plan, execute the first steps, plan again, for one subgoal of a task (paper Sec. 3.3)."""

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
from swm_core.models.looking import look as where_words_look
from swm_core.models.shipped import shipped_model
from swm_core.models.uninformed import UninformedModel
from swm_core.models.weights import weights_hash
from swm_core.planning.gradient import climb
from swm_core.planning.mppi import sample_plan
from swm_core.planning.plan import Plan
from swm_core.planning.proposals import Known, first_guesses, uniform_chunk
from swm_core.planning.search import Bounds, Deadline, Search
from swm_core.planning.settings import DEFAULT, POLICY, WITHOUT_MODEL, PlannerConfig
from swm_core.planning.subgoals import Pursuit
from swm_core.planning.value import Score
from swm_core.planning.views import Guessed, View, look
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
        self._pursuit: Pursuit | None = None
        self._previous: Tensor | None = None
        self._observed: tuple[Observed, ...] = ()  # the last frames that the policy looks at
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
        """Begin a task; nothing of an earlier one is kept."""
        self._pursuit, self._previous, self._observed = Pursuit(task, self.config), None, ()
        self._random.manual_seed(self.seed)

    @property
    def pursuit(self) -> Pursuit:
        """How far the task begun has come.

        Raises:
            PlanningError: none was.
        """
        if self._pursuit is None:
            raise PlanningError("no task was started")
        return self._pursuit

    @property
    def subgoal(self) -> int:
        """Number of the subgoal pursued."""
        return self.pursuit.subgoal

    @property
    def finished(self) -> bool:
        """Whether the model holds the task for complete."""
        return self.pursuit.finished

    @property
    def given_up(self) -> str:
        """Why the task is given up; empty while it is not."""
        return self.pursuit.given_up

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
        pursuit, clock = self.pursuit, Deadline(deadline)
        observation = self.observe(image)
        encoded = clock.elapsed
        bounds = Bounds(self.low, self.high, self._committed(committed))
        executed = self.config.execute if executed is None else executed
        self._remember(observation, executed)
        pursuit.count(executed)
        before, views = pursuit.subgoal, dict[int, View]()
        while unseen := [number for number in pursuit.watched if number not in views]:
            views |= {number: look(self.model, observation, pursuit.task.subgoals[number]) for number in unseen}
            pursuit.see({number: views[number].completion for number in unseen})  # may go on, in this very frame
        guessed = {
            number: self._guess(views[number], bounds, self._previous if number == before else None, executed)
            for number in pursuit.open
        }
        if len(guessed) > 1:
            pursuit.choose({n: guess.promise(bounds, self.config.sub_chunk) for n, guess in guessed.items()})
        view, guess, begun = views[pursuit.subgoal], guessed[pursuit.subgoal], clock.elapsed
        search = self._search(guess.score, guess.chunks, bounds, clock)
        if guess.drawn is not None and self.config.planner != POLICY:
            first = bounds.apply(guess.drawn[:1])
            with torch.no_grad():
                search.defer_to(first, guess.score(first), self.config.margin)
        self._previous = search.actions
        return self._report(search, view, bounds, clock, {"encode": encoded, "iterations": clock.elapsed - begun})

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

    def attention(self, image: np.ndarray, questions: Sequence[str]) -> np.ndarray:
        """Where questions look in a frame: over its cells, how well each matches what the question names.

        Args:
            image: (H, W, 3) uint8 RGB.
            questions: K texts.

        Returns:
            (K, rows, columns) float32, each summing to 1; no rows for a model that does not tell.

        Raises:
            PlanningError: a frame of a wrong shape.
            QuestionError: a question that cannot be read.
        """
        if not isinstance(self.model, GroundedModel):
            return np.zeros((len(questions), 0, 0), np.float32)
        try:
            found = where_words_look(self.model, image, questions)
        except ModelError as error:
            raise PlanningError(str(error)) from error
        return np.stack([question.named.weights for question in found]).astype(np.float32)

    def warm_up(self) -> None:
        """Plan once for nothing, so that the first real plan takes no longer than the others."""
        state = self._pursuit, self._previous, self._observed
        question = "Is it touching?"
        self.start(Task("warm-up", (Subgoal((WeightedQuestion(question), WeightedQuestion(question))),)))
        for _ in range(2):
            self.plan(np.zeros(self.model.image_shape, np.uint8))
        self._pursuit, self._previous, self._observed = state
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

    def _guess(self, view: View, bounds: Bounds, previous: Tensor | None, executed: int) -> Guessed:
        """First guesses for a subgoal."""
        drawn = self._draw(view.subgoal)
        known = Known(previous, executed, view.seen, drawn)
        chunks = first_guesses(self.config, bounds, self.axes, known, self._random)
        return Guessed(view.subgoal, chunks, drawn, view.score(self.model, self.config.sub_chunk))

    def _remember(self, observation: object, executed: int) -> None:
        """Keep a frame for the base policy, where it takes part."""
        if self.policy is not None and self.config.needs_policy:
            earlier = [Observed(seen.frame, seen.age + executed) for seen in self._observed]
            self._observed = (*earlier, Observed(observation))[-self.policy.frames :]

    def _draw(self, subgoal: Subgoal) -> Tensor | None:
        """(C, H, A) chunks of the base policy, None where it takes no part."""
        if self.policy is None or not self.config.needs_policy:
            return None
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

    def _report(self, search: Search, view: View, bounds: Bounds, clock: Deadline, timings: dict[str, float]) -> Plan:
        """What was found, as arrays."""
        questions = view.subgoal.questions
        foreseen = search.foreseen if search.foreseen is not None else torch.zeros(0, 0)
        path = search.path if search.path is not None else torch.zeros(self.config.horizon + 1, 3)
        return Plan(
            actions=search.actions.numpy(),
            committed=len(bounds.committed),
            value=search.value,
            questions=tuple(q.text for q in questions),
            probabilities=torch.stack(search.probabilities).numpy(),
            values=np.array(search.values, np.float32),
            step_sizes=np.array(search.step_sizes, np.float32),
            now=view.now.numpy(),
            completion=view.completion,
            seen=np.zeros((0, 0, 3), np.float32) if view.seen is None else view.seen[: len(questions)].numpy(),
            path=path.numpy(),
            foreseen=foreseen.numpy(),
            history=torch.stack(search.history).numpy(),
            candidates=search.candidates.numpy(),
            candidate_values=search.candidate_values.numpy(),
            timings=timings | {"total": time.perf_counter() - clock.start},
            deadline_missed=clock.missed,
        )
