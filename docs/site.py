# SPDX-License-Identifier: Apache-2.0
"""What the documentation site is made of beside its pages: commands and parameters, as the code describes them."""

from __future__ import annotations

import dataclasses
import re
import typing
from importlib import import_module
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
NODES = {  # node: where its settings are
    "planner": "swm_ros.planner_config:PlannerNodeConfig",
    "guard": "swm_ros.guard_node:GuardNodeConfig",
    "perception": "swm_ros.perception_node:PerceptionConfig",
    "manager": "swm_ros.manager_node:ManagerConfig",
    "monitor": "swm_ros.monitor_node:MonitorConfig",
    "recorder": "swm_ros.recorder_node:RecorderConfig",
    "bridge": "sim_bridges.bridge_node:BridgeConfig",
}
LEAVES = re.compile(r"\[([^\]]+)\]\(\.\./(?!\.\.)([^)\s]+)\)")  # a link from docs/ to another folder of the repository


def load(place: str) -> typing.Any:
    """What "module:attribute" names."""
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def on_page_markdown(markdown: str, page: typing.Any, **_: object) -> str:
    """Fill the generated pages; a link out of docs/ becomes the path in the repository, as the site has only docs."""
    parts = {"<!-- commands -->": commands, "<!-- parameters -->": parameters}
    for mark, make in parts.items():
        if mark in markdown:
            markdown = markdown.replace(mark, make())
    return markdown if page.file.src_uri.count("/") else LEAVES.sub(r"\1 (`\2`)", markdown)


def commands() -> str:
    """The help text of every command."""
    from swm_core.cli import COMMANDS

    found = {f"semworld {name}": load(place) for name, (place, _) in COMMANDS.items()}
    found |= {"swm-sim": load("swm_ros.launcher:main"), "swm-robot": load("swm_ros.robot_launcher:main")}
    return "\n".join(section for name, command in found.items() for section in _command(name, command))


def _command(name: str, command: click.Command) -> typing.Iterator[str]:
    with click.Context(command, info_name=name, max_content_width=110, terminal_width=110) as context:
        yield f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"
        if isinstance(command, click.Group):
            for sub in command.list_commands(context):
                made = command.get_command(context, sub)
                if made is not None:
                    yield from _command(f"{name} {sub}", made)


def parameters() -> str:
    """A table of each node's parameters."""
    parts = []
    for node, place in NODES.items():
        rows = "\n".join(_rows(load(place)))
        parts.append(f"## {node}\n\n| parameter | type | default | range | meaning |\n|---|---|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def _rows(config: type, prefix: str = "") -> typing.Iterator[str]:
    from swm_ros.parameters import descriptions

    texts, hints = descriptions(config), typing.get_type_hints(config)
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        if dataclasses.is_dataclass(hints[field.name]):
            yield from _rows(hints[field.name], f"{prefix}{field.name}.")
            continue
        default = field.default if field.default is not dataclasses.MISSING else ""
        shown = " ".join(map(str, default)) if isinstance(default, tuple) else "" if default is None else default
        limits = field.metadata.get("range")
        reach = f"{limits[0]} to {limits[1]}" if limits else ""
        text = texts.get(field.name, "").replace("|", "\\|")
        kind = str(hints[field.name]).replace("<class '", "").replace("'>", "").replace("|", "or")
        yield f"| `{prefix}{field.name}` | {kind} | {shown} | {reach} | {text} |"
