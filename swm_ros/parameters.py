# SPDX-License-Identifier: Apache-2.0
"""ROS parameters declared from frozen dataclasses, so that a setting, its meaning and its range exist once.

A field's description is its entry in the class docstring's "Attributes:". Its range is `metadata={"range": (low,
high)}`, inclusive. Parameters are read-only; a dataclass inside a dataclass becomes a prefix ("planner.horizon").
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from swm_core.errors import ConfigError

Config = TypeVar("Config")
_ENTRY = re.compile(r"^(\w+): (.*)$")


def descriptions(config_type: type) -> dict[str, str]:
    """The "Attributes:" entries of a class's Google docstring and those of its bases, continuation lines joined."""
    found: dict[str, str] = {}
    for owner in reversed(config_type.__mro__[:-1]):
        lines = inspect.cleandoc(owner.__dict__.get("__doc__") or "").partition("Attributes:\n")[2].splitlines()
        name = None
        for line in lines:
            if not line.startswith("    "):
                break
            match = _ENTRY.match(line[4:])
            if match:
                name, found[match[1]] = match[1], match[2]
            elif name:
                found[name] += " " + line.strip()
    return found


def declare(node: Node, config_type: type[Config], prefix: str = "") -> Config:
    """Declare a dataclass's fields as read-only parameters and read what the user set.

    Args:
        node: node that gets the parameters.
        config_type: frozen dataclass; fields are bool, int, float, str, tuples of float, int or str, or dataclasses;
            a field that may be None has no parameter value for it and keeps its default unless set.
        prefix: put before each name.

    Returns:
        The configuration; its own checks have run.

    Raises:
        ConfigError: a value has another type or is outside its range.
    """
    texts, hints, values = descriptions(config_type), typing.get_type_hints(config_type), {}
    for field in dataclasses.fields(config_type):  # type: ignore[arg-type]
        kind, name = _without_none(hints[field.name]), prefix + field.name
        if dataclasses.is_dataclass(kind):
            values[field.name] = declare(node, typing.cast(type, kind), name + ".")
            continue
        value = _declare_one(node, name, kind, field, texts.get(field.name, ""))
        if value is not None:
            values[field.name] = value
    return config_type(**values)


def refuse_unknown(node: Node) -> None:
    """Complain about parameters that were set by file or command line but that the node does not have.

    Raises:
        ConfigError: there are such parameters.
    """
    overrides = node._parameter_overrides
    unknown = sorted(
        name
        for name in overrides
        if not node.has_parameter(name) and not name.startswith(("qos_overrides.", "use_sim_time"))
    )
    if unknown:
        known = sorted(name for name in node._parameters if not name.startswith("qos_overrides."))
        raise ConfigError(f"{node.get_name()} has no parameter {', '.join(unknown)}; it has {', '.join(known)}")


def _without_none(kind: Any) -> Any:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next(arg for arg in typing.get_args(kind) if arg is not type(None))
    return kind


def _declare_one(node: Node, name: str, kind: Any, field: dataclasses.Field, text: str) -> Any:
    default = _default(field)
    descriptor = _descriptor(kind, field, text)
    wire = list(default) if isinstance(default, tuple) else default
    try:
        if wire is None or wire == []:
            value = node.declare_parameter(name, _parameter_type(kind), descriptor).value
            value = default if value is None else value
        else:
            value = node.declare_parameter(name, wire, descriptor).value
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        limits = field.metadata.get("range")
        raise ConfigError(
            f"parameter {name}: {error}" + (f"; allowed {limits[0]} to {limits[1]}" if limits else "")
        ) from error
    return tuple(value) if isinstance(value, list | tuple) or typing.get_origin(kind) is tuple else value


def _default(field: dataclasses.Field) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    raise ConfigError(f"setting {field.name} has no default; every node setting needs one")


def _parameter_type(kind: Any) -> Parameter.Type:
    plain = {bool: Parameter.Type.BOOL, int: Parameter.Type.INTEGER, float: Parameter.Type.DOUBLE}
    arrays = {int: Parameter.Type.INTEGER_ARRAY, float: Parameter.Type.DOUBLE_ARRAY, str: Parameter.Type.STRING_ARRAY}
    if typing.get_origin(kind) is tuple:
        return arrays[typing.get_args(kind)[0]]
    return plain.get(kind, Parameter.Type.STRING)


def _descriptor(kind: Any, field: dataclasses.Field, text: str) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(name=field.name, description=text, read_only=True)
    limits = field.metadata.get("range")
    if limits and kind is float:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(limits[0]), to_value=float(limits[1]), step=0.0)
        ]
    elif limits and kind is int:
        descriptor.integer_range = [IntegerRange(from_value=int(limits[0]), to_value=int(limits[1]), step=1)]
    return descriptor
