# SPDX-License-Identifier: Apache-2.0
"""The models that come with the package."""

from __future__ import annotations

from pathlib import Path

from swm_core.environment import base_name
from swm_core.errors import ConfigError, ModelError
from swm_core.installation import shared_file
from swm_core.models.weights import CONFIG


def shipped_model(environment: str) -> Path:
    """Folder of the model shipped for an environment and its variants.

    Raises:
        ModelError: none is shipped.
    """
    name = base_name(environment)
    try:
        return shared_file(f"models/{name}/{CONFIG}").parent
    except ConfigError as error:
        train = f"semworld train --config configs/{name}_compact.yaml"
        raise ModelError(f"no weights shipped for {name}; train with {train!r} and give the folder") from error


def shipped_policy(environment: str) -> Path | None:
    """Folder of the base policy shipped for an environment's model, None where there is none."""
    try:
        return shared_file(f"models/{base_name(environment)}_policy/{CONFIG}").parent
    except ConfigError:
        return None
