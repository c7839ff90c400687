# SPDX-License-Identifier: Apache-2.0
"""Scripted experts for push, reach and separate, and one that is disturbed by noise; all look at the true scene."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from sim_bridges.langtable.pushing import SUBGOAL_GAP, Pusher, Walker, clip_action, near_speed, toward
from sim_bridges.langtable.specification import ACTION_LIMIT, SPAWN_MARGIN, WORKSPACE_HIGH, WORKSPACE_LOW
from swm_core.environment import Environment
from swm_core.errors import GoalError
from swm_core.scene import SceneState

PUSH_DISTANCE = 0.05  # m between centres at which a push has succeeded (upstream; the paper reports 0.075)
SEPARATE_NEIGHBOUR = 0.08  # m; blocks nearer than this are what a block is to be separated from
SEPARATE_DISTANCE = 0.1  # m to the nearest of them at which it is separate (paper, Sec. 5)


class Expert(ABC):
    """What the experts share: a goal drawn or given, a flag that latches when it is reached, zero actions after."""

    def __init__(self) -> None:
        """Begin without an episode, at the pace of the original's oracle."""
        self._done = False
        self.pace = 1.0

    def reset(self, env: Environment, seed: int) -> None:
        """Begin an episode on an environment that was just reset.

        Raises:
            GoalError: the scene lacks what the goal speaks of.
        """
        self._done = False
        self._begin(env.scene(), np.random.default_rng(seed))
        self._done = self._reached(env.scene())

    def act(self, scene: SceneState) -> np.ndarray:
        """(2,) float32 action in m; zero once the goal was reached."""
        self._done = self._done or self._reached(scene)
        if self._done:
            return np.zeros(2, np.float32)
        return clip_action(self._act(scene))

    @property
    def done(self) -> bool:
        """Whether the goal was reached at the last reset or act."""
        return self._done

    @property
    @abstractmethod
    def description(self) -> str:
        """The goal in words."""

    @abstractmethod
    def _begin(self, scene: SceneState, rng: np.random.Generator) -> None:
        """Take or draw the goal for an episode that begins with this scene."""

    @abstractmethod
    def _reached(self, scene: SceneState) -> bool:
        """Whether the goal holds."""

    @abstractmethod
    def _act(self, scene: SceneState) -> np.ndarray:
        """(2,) action in m towards the goal, not clipped yet."""


class PushExpert(Expert):
    """Pushes one block to another until their centres are near."""

    def __init__(self, pair: tuple[str, str] | None = None, distance: float = PUSH_DISTANCE) -> None:
        """Set the goal.

        Args:
            pair: (pushed block, target block); drawn at each reset when None.
            distance: centre distance at which it is done, m.
        """
        super().__init__()
        self._fixed = pair
        self._distance = distance
        self._pair = pair or ("", "")
        self._pusher = Pusher()

    @property
    def description(self) -> str:
        """The goal in words."""
        return f"push {self._pair[0]} to {self._pair[1]}"

    def _begin(self, scene: SceneState, rng: np.random.Generator) -> None:
        if self._fixed is None:
            if len(scene.names) < 2:
                raise GoalError(f"a push needs two blocks, the scene has {len(scene.names)}")
            self._pair = tuple(scene.names[i] for i in rng.permutation(len(scene.names))[:2])
        self._at = scene.index(self._pair[0]), scene.index(self._pair[1])
        self._pusher = Pusher(self.pace)

    def _reached(self, scene: SceneState) -> bool:
        a, b = self._at
        return bool(np.linalg.norm(scene.positions[a, :2] - scene.positions[b, :2]) < self._distance)

    def _act(self, scene: SceneState) -> np.ndarray:
        a, b = self._at
        xy = scene.positions[:, :2]
        return self._pusher.step(scene.effector[:2], xy[a], xy[b], np.delete(xy, [a, b], 0))


class ReachExpert(Expert):
    """Moves the peg to a block until they touch."""

    def __init__(self, block: str | None = None) -> None:
        """Set the goal: a block's name; drawn at each reset when None."""
        super().__init__()
        self._fixed = block
        self._block = block or ""
        self._walker = Walker()

    @property
    def description(self) -> str:
        """The goal in words."""
        return f"reach {self._block}"

    def _begin(self, scene: SceneState, rng: np.random.Generator) -> None:
        if self._fixed is None:
            self._block = scene.names[rng.integers(len(scene.names))]
        self._at = scene.index(self._block)
        self._walker = Walker()

    def _reached(self, scene: SceneState) -> bool:
        return bool(scene.contacts[self._at, -1])

    def _act(self, scene: SceneState) -> np.ndarray:
        xy, peg = scene.positions[:, :2], scene.effector[:2]
        if np.linalg.norm(xy[self._at] - peg) < 0.06:
            return toward(peg, xy[self._at], self.pace * near_speed(SUBGOAL_GAP))
        return self.pace * self._walker.step(peg, xy[self._at], np.delete(xy, self._at, 0))


class SeparateExpert(Expert):
    """Pushes a block away from its neighbours."""

    def __init__(self, block: str | None = None, others: tuple[str, ...] | None = None) -> None:
        """Set the goal.

        Args:
            block: block to push; drawn among those with a near neighbour when None.
            others: blocks to get away from; those near it, or the nearest, when None.
        """
        super().__init__()
        self._fixed = block, others
        self._block, self._others = block or "", others or ()
        self._pusher = Pusher()

    @property
    def description(self) -> str:
        """The goal in words."""
        return f"separate {self._block} from {', '.join(self._others)}"

    def _begin(self, scene: SceneState, rng: np.random.Generator) -> None:
        if len(scene.names) < 2:
            raise GoalError(f"separating needs two blocks, the scene has {len(scene.names)}")
        xy = scene.positions[:, :2]
        gaps = np.linalg.norm(xy[:, None] - xy, axis=-1) + np.diag(np.full(len(xy), np.inf))
        block, others = self._fixed
        if block is None:
            crowded = np.flatnonzero(gaps.min(1) < SEPARATE_NEIGHBOUR)
            at = rng.choice(crowded) if len(crowded) else gaps.min(1).argmin()
            block = scene.names[int(at)]
        self._at = scene.index(block)
        if others is None:
            near = gaps[self._at] < max(SEPARATE_NEIGHBOUR, gaps[self._at].min() + 1e-9)
            others = tuple(name for name, chosen in zip(scene.names, near, strict=True) if chosen)
        self._block, self._others = block, others
        self._avoid = [scene.index(name) for name in others]
        self._goal = self._place(xy)
        self._pusher, self._age = Pusher(self.pace), 0

    def _place(self, xy: np.ndarray) -> np.ndarray:
        """Where to push it: inside the table's middle, far from others, with room for the peg behind it."""
        angles = 2 * np.pi * np.arange(24) / 24
        headings = np.stack([np.cos(angles), np.sin(angles)], -1)
        block, rest = xy[self._at], np.delete(xy, self._at, 0)
        best, best_score = block, -np.inf
        for reach in (0.1, 0.14, 0.18):
            goals = block + reach * headings
            room = np.linalg.norm((block - 0.05 * headings)[:, None] - rest, axis=-1).min(1)
            gap = np.linalg.norm(goals[:, None] - xy[self._avoid], axis=-1).min(1)
            clear = np.linalg.norm(goals[:, None] - rest, axis=-1).min(1)
            margin = SPAWN_MARGIN / 2
            inside = ((goals > WORKSPACE_LOW + margin) & (goals < WORKSPACE_HIGH - margin)).all(1)
            score = (
                np.minimum(room, 0.04) + np.minimum(gap, 0.12) + np.minimum(clear, 0.06) - reach / 4 - 10.0 * ~inside
            )
            if score.max() > best_score:
                best, best_score = goals[score.argmax()], score.max()
        return best

    def _reached(self, scene: SceneState) -> bool:
        xy = scene.positions[:, :2]
        return bool(np.linalg.norm(xy[self._avoid] - xy[self._at], axis=1).min() > SEPARATE_DISTANCE)

    def _act(self, scene: SceneState) -> np.ndarray:
        xy = scene.positions[:, :2]
        self._age += 1
        if self._age % 40 == 0 or np.linalg.norm(xy[self._at] - self._goal) < 0.015:
            self._goal = self._place(xy)
        return self._pusher.step(scene.effector[:2], xy[self._at], self._goal, np.delete(xy, self._at, 0))


class NoisyExpert:
    """One of the experts, drawn per episode, with Gaussian noise on every action and random stretches in between."""

    def __init__(self, noise: float = 0.004, stretch_probability: float = 0.04) -> None:
        """Set the disturbance: standard deviation in m, and chance per step that a random stretch begins."""
        self._noise = noise
        self._probability = stretch_probability
        self._expert: Expert = PushExpert()
        self._rng = np.random.default_rng(0)
        self._left, self._drift = 0, np.zeros(2)
        self._wanted = np.zeros(2, np.float32)

    def reset(self, env: Environment, seed: int) -> None:
        """Draw an expert, its goal and its pace."""
        self._rng = np.random.default_rng(seed)
        self._expert = self._draw_expert(env)
        self._expert.reset(env, int(self._rng.integers(2**31)))
        self._left = 0

    def _draw_expert(self, env: Environment) -> Expert:
        several = len(env.scene().names) > 1
        kinds = [PushExpert, ReachExpert, SeparateExpert] if several else [ReachExpert]
        expert = kinds[self._rng.choice(len(kinds), p=[0.5, 0.3, 0.2] if several else [1.0])]()
        expert.pace = self._rng.uniform(1.0, 2.0)
        return expert

    def act(self, scene: SceneState) -> np.ndarray:
        """(2,) float32 action in m; after the goal only the disturbance is left."""
        self._wanted = self._expert.act(scene)
        action: np.ndarray = self._wanted
        if self._left == 0 and self._rng.random() < self._probability:
            self._left = int(self._rng.integers(3, 9))
            self._drift = self._rng.uniform(-0.8, 0.8, 2) * ACTION_LIMIT
        if self._left > 0:
            self._left -= 1
            action = self._drift
        return clip_action(action + self._rng.normal(0.0, self._noise, 2))

    @property
    def wanted(self) -> np.ndarray:
        """(2,) float32 action in m that the expert would have taken where `act` was called last."""
        return self._wanted

    @property
    def done(self) -> bool:
        """Whether the expert's goal is reached."""
        return self._expert.done

    @property
    def description(self) -> str:
        """The expert's goal in words."""
        return f"{self._expert.description}, with noise"


class DisturbedPush(NoisyExpert):
    """The push expert, thrown off its way now and then, so that its wishes show how to come back (DART)."""

    def __init__(self, noise: float = 0.002, stretch_probability: float = 0.04) -> None:
        """Set the disturbance; the noise is small beside what a chunk of wishes adds up to."""
        super().__init__(noise, stretch_probability)

    def _draw_expert(self, env: Environment) -> Expert:
        return PushExpert()

    @property
    def description(self) -> str:
        """The goal in words."""
        return self._expert.description
