# SPDX-License-Identifier: Apache-2.0
"""The one trajectory schema of all environments: what an episode is in memory and which columns it has on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from swm_core.camera import Camera
from swm_core.environment import EnvironmentSpec
from swm_core.errors import DataError
from swm_core.scene import SceneState

SCHEMA_VERSION = 1
METADATA_KEY = b"semworld"  # JSON of `EpisodeMetadata` in the Parquet file's key-value metadata


def _tuples(value: Any) -> Any:
    """Lists to tuples, recursively: JSON knows only lists, the frozen dataclasses only tuples."""
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def spec_to_dict(spec: EnvironmentSpec) -> dict[str, Any]:
    """JSON-ready form of an environment's fixed facts."""
    flat = {f.name: getattr(spec, f.name) for f in fields(spec)}
    return flat | {"camera": asdict(spec.camera), "object_sets": dict(spec.object_sets)}


def spec_from_dict(data: Mapping[str, Any]) -> EnvironmentSpec:
    """Rebuild an environment's fixed facts from `spec_to_dict`.

    Raises:
        DataError: a field is missing, unknown or malformed.
    """
    try:
        values = {name: _tuples(value) for name, value in data.items() if name not in ("camera", "object_sets")}
        return EnvironmentSpec(
            camera=Camera(**{name: _tuples(value) for name, value in data["camera"].items()}),
            object_sets={name: tuple(objects) for name, objects in data["object_sets"].items()},
            **values,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"malformed environment spec: {error!r}") from error


@dataclass(frozen=True)
class EpisodeMetadata:
    """Where an episode comes from.

    Attributes:
        spec: the environment's fixed facts at collection (camera, action bounds, control period, ...).
        objects: the N objects' names, in the order of the scene arrays.
        behaviour: name of the behaviour that acted.
        description: what it was doing ("push red moon to green star").
        seed: environment seed.
        repeat: how many further layouts were drawn after the seed's first one.
        success: whether the behaviour reached its goal (always False for undirected play).
        commit: commit or version of the code that collected it.
        schema_version: `SCHEMA_VERSION` at writing.
    """

    spec: EnvironmentSpec
    objects: tuple[str, ...]
    behaviour: str
    description: str
    seed: int
    repeat: int
    success: bool
    commit: str = "unknown"
    schema_version: int = SCHEMA_VERSION

    @property
    def episode_id(self) -> str:
        """Unique within a data set."""
        return f"{self.behaviour}-{self.seed:05d}-{self.repeat:03d}"

    def to_json(self) -> str:
        """JSON text, as stored in the file."""
        flat = {f.name: getattr(self, f.name) for f in fields(self)}
        return json.dumps(flat | {"spec": spec_to_dict(self.spec)})

    @staticmethod
    def from_json(text: str | bytes) -> EpisodeMetadata:
        """Parse `to_json`.

        Raises:
            DataError: not JSON, another schema version, or fields missing.
        """
        try:
            data = json.loads(text)
            version = data["schema_version"]
            if version != SCHEMA_VERSION:
                raise DataError(f"schema version {version}, this code reads {SCHEMA_VERSION}")
            return EpisodeMetadata(**data | {"spec": spec_from_dict(data["spec"]), "objects": tuple(data["objects"])})
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"malformed episode metadata: {error!r}") from error


@dataclass(frozen=True)
class Episode:
    """One trajectory of T actions and T + 1 states.

    Attributes:
        scenes: scene states batched over time, batch shape (T + 1,).
        actions: (T, A) float32, the action taken at each state, in the environment's action unit.
        images: T + 1 PNG files as bytes, or None where no frame was stored.
        metadata: where it comes from.
        expert_actions: (T, A) float32, what an expert would have done in each state, where the behaviour was disturbed
            on purpose and told so; None where nobody told.
    """

    scenes: SceneState
    actions: np.ndarray
    images: list[bytes | None]
    metadata: EpisodeMetadata
    expert_actions: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check that the parts belong together.

        Raises:
            DataError: lengths or object names differ.
        """
        states = self.scenes.effector.shape[0] if self.scenes.effector.ndim == 2 else -1
        if self.actions.shape != (states - 1, self.metadata.spec.action_dim) or len(self.images) != states:
            raise DataError(
                f"{states} states do not go with actions {self.actions.shape} and {len(self.images)} images; "
                f"expected T + 1 states, (T, {self.metadata.spec.action_dim}) actions, T + 1 images"
            )
        if self.expert_actions is not None and self.expert_actions.shape != self.actions.shape:
            raise DataError(f"expert actions {self.expert_actions.shape} do not go with actions {self.actions.shape}")
        fingers, expected = self.scenes.fingers.shape[-3], self.metadata.spec.fingers
        if fingers != expected:
            raise DataError(f"scene has {fingers} fingers, {self.metadata.spec.name} has {expected}")
        if self.scenes.names != self.metadata.objects:
            raise DataError(f"scene has {self.scenes.names}, metadata says {self.metadata.objects}")

    def __len__(self) -> int:
        """Number of actions T."""
        return len(self.actions)


def arrow_schema(objects: int, action_dim: int, fingers: int = 0, *, expert: bool = False) -> pa.Schema:
    """Columns of a trajectory file; a row is a state, the last row has no action.

    Lengths are metres, angles radians, arrays are flattened in C order.

    Args:
        objects: number of objects N.
        action_dim: number of action dimensions A.
        fingers: number of the gripper's fingers F; without a gripper there are no columns for it.
        expert: whether there is a column for what an expert would have done.
    """
    advised = [pa.field("expert_action", pa.list_(pa.float32(), action_dim))]
    gripping = [
        pa.field("fingers", pa.list_(pa.float64(), fingers * objects * 3), nullable=False),
        pa.field("gaps", pa.list_(pa.float64(), objects), nullable=False),
    ]
    return pa.schema(
        [
            pa.field("episode_id", pa.string(), nullable=False),
            pa.field("t", pa.int32(), nullable=False),
            pa.field("action", pa.list_(pa.float32(), action_dim)),
            *(advised if expert else ()),
            pa.field("effector", pa.list_(pa.float64(), 3), nullable=False),
            pa.field("positions", pa.list_(pa.float64(), objects * 3), nullable=False),
            pa.field("yaws", pa.list_(pa.float64(), objects), nullable=False),
            pa.field("contacts", pa.list_(pa.bool_(), (objects + 1) ** 2), nullable=False),
            pa.field("gripper", pa.float64(), nullable=False),
            *(gripping if fingers else ()),
            pa.field("image", pa.binary()),
        ]
    )
