# SPDX-License-Identifier: Apache-2.0
"""Definitions of message types as text, so that a recording can be read where their packages are not installed."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

from swm_core.errors import RecordingError

SEPARATOR = (
    "\n" + "=" * 80 + "\n"
)  # of the encoding "ros2msg": the type, then each type it is made of under "MSG: name"


def message_class(name: str) -> type:
    """The Python class of a message type ("std_msgs/msg/String").

    Raises:
        RecordingError: its package is not installed or has no such message.
    """
    package, _, short = name.partition("/msg/")
    try:
        found: type = getattr(import_module(f"{package}.msg"), short)
    except (ImportError, AttributeError, ValueError) as error:
        raise RecordingError(f"message type {name} is not installed here: {error}") from error
    return found


def definition(name: str) -> str:
    """A type's definition and those of all types that it is made of.

    Raises:
        RecordingError: a definition is not installed.
    """
    parts, wanted, seen = [_text(name)], [name], {name}
    while wanted:
        fields = message_class(wanted.pop(0)).get_fields_and_field_types()  # type: ignore[attr-defined]
        for package, short in re.findall(r"(\w+)/(\w+)", " ".join(fields.values())):
            nested = f"{package}/msg/{short}"
            if nested not in seen:
                seen.add(nested)
                wanted.append(nested)
                parts.append(f"MSG: {package}/{short}\n{_text(nested)}")
    return SEPARATOR.join(parts)


def _text(name: str) -> str:
    """The definition that was installed with the class in use, so that the two always agree."""
    package, _, short = name.partition("/msg/")
    code = Path(sys.modules[message_class(name).__module__].__file__ or "")
    relative = Path("share") / package / "msg" / f"{short}.msg"
    found = next((prefix / relative for prefix in code.parents if (prefix / relative).is_file()), None)
    if found is None:
        raise RecordingError(f"the definition of {name} is not installed: no {relative} in any folder above {code}")
    return found.read_text(encoding="utf-8")
