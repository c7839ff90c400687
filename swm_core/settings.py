# SPDX-License-Identifier: Apache-2.0
"""Plain data to settings dataclasses; what is wrong is said in words."""

from __future__ import annotations

from typing import Any, TypeVar

from cattrs import Converter, transform_error
from cattrs.v import format_exception

from swm_core.errors import ConfigError

Settings = TypeVar("Settings")
_CONVERTER = Converter(forbid_extra_keys=True)


def structured(data: Any, kind: type[Settings], where: str) -> Settings:
    """Settings of a kind; unknown keys are errors.

    Args:
        data: nested mappings, as read from YAML or JSON.
        kind: dataclass of the settings.
        where: what the data are of, for the message.

    Raises:
        ConfigError: an unknown key, or a value of a wrong type or range.
    """
    try:
        return _CONVERTER.structure(data, kind)
    except Exception as error:
        raise ConfigError(f"{where}: {'; '.join(transform_error(error, format_exception=_reason))}") from error


def _reason(error: BaseException, wanted: type | None) -> str:
    """What is wrong with a value: our own words where a range is checked by the settings themselves."""
    return str(error) if isinstance(error, ConfigError) else format_exception(error, wanted)
