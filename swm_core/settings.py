# SPDX-License-Identifier: Apache-2.0
"""Plain data to settings dataclasses; what is wrong is said in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from cattrs import Converter, transform_error
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.v import format_exception

from swm_core.errors import ConfigError

Settings = TypeVar("Settings")
_CONVERTER = Converter(forbid_extra_keys=True)
_STRICT = Converter(forbid_extra_keys=True)


def _exactly(*types: type) -> Callable[[Any, Any], Any]:
    """A hook that takes values of these types only, where cattrs would convert (True is no number)."""

    def take(value: Any, kind: Any) -> Any:
        if type(value) not in types:
            raise TypeError(f"{kind.__name__} expected, got {type(value).__name__}")
        return kind(value)

    return take


_STRICT.register_structure_hook(str, _exactly(str))
_STRICT.register_structure_hook(float, _exactly(int, float))


def structured(data: Any, kind: type[Settings], where: str, *, strict: bool = False) -> Settings:
    """Settings of a kind; unknown keys are errors.

    Args:
        data: nested mappings, as read from YAML or JSON.
        kind: dataclass of the settings.
        where: what the data are of, for the message.
        strict: whether texts and numbers must be such already; otherwise "0.5" is taken for a number.

    Raises:
        ConfigError: an unknown key, or a value of a wrong type or range.
    """
    try:
        return (_STRICT if strict else _CONVERTER).structure(data, kind)
    except Exception as error:
        raise ConfigError(f"{where}: {'; '.join(transform_error(error, format_exception=_reason))}") from error


def _reason(error: BaseException, wanted: type | None) -> str:
    """What is wrong with a value: our own words where a range is checked by the settings themselves."""
    if isinstance(error, ForbiddenExtraKeysError):  # cattrs expects texts as keys, and YAML has others
        return f"extra fields found ({', '.join(sorted(map(str, error.extra_fields)))})"
    return str(error) if isinstance(error, ConfigError) else format_exception(error, wanted)
