# SPDX-License-Identifier: Apache-2.0
"""What collection, training, evaluation and the bridges know of an environment, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

import numpy as np

from swm_core.camera import Camera
from swm_core.errors import ConfigError
from swm_core.scene import SceneState
from swm_core.tasks.questions import LocateType, QuestionType

ENTRY_POINT_GROUP = "semworld.environments"
DEFAULT_ENVIRONMENT = "langtable"  # of nodes and of what starts them
AXES = {"dx": 0, "dy": 1, "dz": 2}  # action dimensions of these names move the effector along that world axis


@dataclass(frozen=True)
class EnvironmentSpec:
    """The fixed facts of an environment.

    Attributes:
        name: short name, as on the command line ("langtable").
        action_names: one per action dimension ("dx", "dy").
        action_low: lower bound per dimension, in the action's unit.
        action_high: upper bound per dimension.
        action_units: unit per dimension of one step's change ("m", "rad", "1").
        control_period: time of one action, s.
        episode_steps: steps after which an episode of the paper's evaluation ends.
        camera: the camera that takes the frames.
        workspace_low: (3,) lowest corner of the effector's workspace, world frame, m.
        workspace_high: (3,) highest corner.
        effector_word: what questions call the effector ("robotic peg").
        object_sets: named sets of object names ("BLOCK_8" -> ("red moon", ...)); the first is the default.
        max_object_size: widest extent of an object, m (for pictures and defaults of thresholds).
        table_height: height of the plane on which objects stand, world frame, m.
        mirror_symmetric: whether the world with y negated is as likely as itself, and the camera sees it
            flipped left-right.
        fingers: how many fingers the gripper has; 0 where there is none.
    """

    name: str
    action_names: tuple[str, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    action_units: tuple[str, ...]
    control_period: float
    episode_steps: int
    camera: Camera
    workspace_low: tuple[float, float, float]
    workspace_high: tuple[float, float, float]
    effector_word: str
    object_sets: Mapping[str, tuple[str, ...]]
    max_object_size: float = 0.055
    table_height: float = 0.0
    mirror_symmetric: bool = False
    fingers: int = 0

    @property
    def action_dim(self) -> int:
        """Number of action dimensions."""
        return len(self.action_names)

    @property
    def default_objects(self) -> tuple[str, ...]:
        """The objects of an episode for which none are named: the first object set."""
        return tuple(next(iter(self.object_sets.values())))

    @property
    def largest_action(self) -> tuple[float, ...]:
        """Per action dimension, the largest size within the bounds."""
        return tuple(max(abs(a), abs(b)) for a, b in zip(self.action_low, self.action_high, strict=True))


def action_axes(action_names: Iterable[str]) -> tuple[int, ...]:
    """Per action dimension, the world axis (0, 1, 2) that it moves the effector along, or -1 for none."""
    return tuple(AXES.get(name, -1) for name in action_names)


def free_path(start: np.ndarray, actions: np.ndarray, spec: EnvironmentSpec) -> np.ndarray:
    """(..., H + 1, 3) where the effector comes if nothing stops it, world frame, m.

    Args:
        start: (3,) where it is.
        actions: (..., H, A) in the environment's unit.
        spec: whose axes they move along.
    """
    moved = np.zeros((*actions.shape[:-2], actions.shape[-2] + 1, 3))
    for i, axis in enumerate(action_axes(spec.action_names)):
        if axis >= 0:
            moved[..., 1:, axis] += np.cumsum(actions[..., i], -1)
    return start + moved


class Environment(Protocol):
    """A Gymnasium environment whose state can be asked about.

    `reset` takes `seed` and `options={"objects": (names...)}`; observations are `{"image": (H, W, 3) uint8 RGB}`
    when built with `images=True`, else an empty dict. Actions are (action_dim,) float32 inside the bounds.
    """

    environment_spec: EnvironmentSpec

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Begin an episode."""
        ...

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        """Advance one control period."""
        ...

    def render(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB frame of the present state."""
        ...

    def scene(self) -> SceneState:
        """Scene state now."""
        ...

    def close(self) -> None:
        """Free the simulator."""
        ...


class Behaviour(Protocol):
    """A scripted way of acting, used to collect data; it may look at the true scene."""

    def reset(self, env: Environment, seed: int) -> None:
        """Begin an episode on an environment that was just reset; draws its own goal where it has one."""
        ...

    def act(self, scene: SceneState) -> np.ndarray:
        """(action_dim,) float32 action for the present scene."""
        ...

    @property
    def done(self) -> bool:
        """Whether its goal is reached (never, for undirected play)."""
        ...

    @property
    def description(self) -> str:
        """What it is doing in this episode ("push red moon to green star")."""
        ...


@runtime_checkable
class DisturbedBehaviour(Behaviour, Protocol):
    """A behaviour that does not always do what its expert wants, and tells what that was (DART, Laskey et al. 2017)."""

    @property
    def wanted(self) -> np.ndarray:
        """(action_dim,) float32 action that the expert would have taken where `act` was called last."""
        ...


@dataclass(frozen=True)
class EnvironmentEntry:
    """What a package registers under the entry point group `semworld.environments`.

    Attributes:
        spec: the fixed facts.
        make: builds an environment; keyword `images` says whether observations carry frames.
        behaviours: named factories of scripted behaviours for collection; each takes no argument.
        questions: the types of yes/no questions that make sense here.
        locate: the auxiliary question "where is X", or None.
        effector_words: what the effector is called in questions; the first is used in tasks.
        names: all objects that may ever stand here.
        variants: named settings for `make`, other looks above all, for evaluation out of the domain; "ogbench:pine" is
            the variant "pine" of the environment "ogbench".
    """

    spec: EnvironmentSpec
    make: Callable[..., Environment]
    behaviours: Mapping[str, Callable[[], Behaviour]] = field(default_factory=dict)
    questions: tuple[QuestionType, ...] = ()
    locate: LocateType | None = None
    effector_words: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def base_name(environment: str) -> str:
    """Name of an environment without that of a variant: what models and parameter files are called by."""
    return environment.partition(":")[0]


def load_environment(name: str) -> EnvironmentEntry:
    """Find a registered environment.

    Args:
        name: under which it is registered, and after a colon that of a variant, if one is wanted.

    Raises:
        ConfigError: no environment of that name is registered, it lacks the variant, or its simulator is not installed.
    """
    found, base = {e.name: e for e in entry_points(group=ENTRY_POINT_GROUP)}, base_name(name)
    if base not in found:
        raise ConfigError(
            f"no environment {base!r}; registered: {', '.join(sorted(found)) or 'none'} (is the package installed?)"
        )
    try:
        entry: EnvironmentEntry = found[base].load()
    except ImportError as error:
        raise ConfigError(f"environment {base!r} cannot be loaded: {error}") from error
    if base == name:
        return entry
    variant = name.partition(":")[2]
    if variant not in entry.variants:
        raise ConfigError(f"{base} has no variant {variant!r}; it has {', '.join(entry.variants) or 'none'}")
    return replace(entry, make=partial(entry.make, **entry.variants[variant]))
