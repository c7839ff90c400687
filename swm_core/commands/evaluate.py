# SPDX-License-Identifier: Apache-2.0
"""`semworld eval`: what is evaluated is the name of the sub-command."""

from __future__ import annotations

import click

from swm_core.commands.evaluate_answers import answers_command
from swm_core.commands.evaluate_paper import paper_command
from swm_core.commands.evaluate_tasks import tasks_command


@click.group("eval")
def eval_command() -> None:
    """Evaluate tasks in a simulator, or answers on recorded episodes."""


eval_command.add_command(tasks_command)
eval_command.add_command(paper_command)
eval_command.add_command(answers_command)
