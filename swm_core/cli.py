# SPDX-License-Identifier: Apache-2.0
"""The command line `semworld`: one table of sub-commands, each in its own module, imported only when it is used."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from swm_core.errors import SwmError

# name -> ("module:attribute" of a click command, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "collect": ("swm_core.commands.collect:collect_command", "Collect episodes of scripted behaviours."),
    "saqa": ("swm_core.commands.saqa:saqa_command", "Show, count or export question-answer samples of a data set."),
    "eval": (
        "swm_core.commands.evaluate:eval_command",
        "Evaluate tasks in a simulator, or answers on recorded episodes.",
    ),
    "ask": ("swm_core.commands.ask:ask_command", "Ask about the future of a picture."),
    "plan": ("swm_core.commands.plan:plan_command", "Plan towards a goal from a picture, and draw how."),
    "goal": ("swm_core.commands.goal:goal_command", "Show the task that a goal's words ask for."),
    "replay": ("swm_core.commands.replay:replay_command", "Run another planner over a recording of the stack."),
    "report": ("swm_core.commands.report:report_command", "Make a page of a recording of the stack."),
    "convert": ("swm_core.commands.convert:convert_command", "Make episodes of recordings, in one of two formats."),
    "attend": ("swm_core.commands.attend:attend_command", "Draw where the words of questions look in a picture."),
    "probe": ("swm_core.commands.probe:probe_command", "Measure what the frozen image tokens say about positions."),
    "bench": ("swm_core.commands.bench:bench_command", "Measure the time of a plan, ours and the paper's order."),
    "train": ("swm_core.commands.train:train_command", "Train a world model."),
    "train-policy": (
        "swm_core.commands.train_policy:train_policy_command",
        "Train a base policy on a world model's features.",
    ),
    "export": ("swm_core.commands.export:export_command", "Put a trained model into the form in which it is shipped."),
    "finetune": ("swm_core.commands.finetune:finetune_command", "Fine-tune a PaliGemma to a world model."),
    "validate": ("swm_core.commands.validate:validate_command", "Check trajectory files and draw an episode."),
}


class LazyGroup(click.Group):
    """A group that imports a sub-command's module only when that sub-command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a sub-command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the sub-commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the option `--json FILE`, passed to the command as `json_file` (Path or None)."""
    return click.option(
        "--json",
        "json_file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Also write results as JSON here.",
    )(command)


def write_json(path: Path | None, result: dict[str, Any]) -> None:
    """Write a command's results where `--json` says; nothing without it.

    Args:
        path: the file, or None; folders are made.
        result: JSON-ready values.
    """
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2) + "\n")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def semworld() -> None:
    """Semantic world model: collect data, train, evaluate, ask about the future."""


def main(arguments: list[str] | None = None) -> int:
    """Entry point: run a sub-command; errors raised on purpose become one line and exit status 1.

    Args:
        arguments: command line words, `sys.argv` by default.

    Returns:
        Exit status: 0 for success, 1 for an error, 2 for wrong usage, 130 after Ctrl-C.
    """
    try:
        result = semworld.main(args=arguments, prog_name="semworld", standalone_mode=False)
    except click.exceptions.Abort:
        sys.stderr.write("interrupted; what is finished is kept\n")
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SwmError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
