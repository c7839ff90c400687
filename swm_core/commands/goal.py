# SPDX-License-Identifier: Apache-2.0
"""`semworld goal`: what a goal's words become, without a robot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swm_core.cli import json_option, write_json
from swm_core.commands.table import text_table
from swm_core.environment import DEFAULT_ENVIRONMENT, EnvironmentEntry, load_environment
from swm_core.errors import GoalError, ModelError, WordingError

if TYPE_CHECKING:
    from swm_core.tasks import Task, TaskSpec


@click.command("goal")
@click.argument("text")
@click.option(
    "--env", "environment", default=DEFAULT_ENVIRONMENT, help="Environment whose objects and questions are used."
)
@click.option("--objects", help="Objects in view, with commas between; the environment's default set if not given.")
@click.option("--llm", "url", help="Ask a language model at this OpenAI-compatible address (.../v1) instead.")
@click.option("--llm-model", default="", help="Name of the model there.")
@click.option("--llm-key-variable", default="", help="Environment variable that holds the key, if one is needed.")
@click.option("--llm-timeout", default=60.0, help="Longest time of the request, s.")
@json_option
def goal_command(
    text: str,
    environment: str,
    objects: str | None,
    url: str | None,
    llm_model: str,
    llm_key_variable: str,
    llm_timeout: float,
    json_file: Path | None,
) -> None:
    """Show the task that TEXT asks for: questions, wanted answers, weights.

    Other wordings than the grammar's need the text embedding (pip install 'swm_ros[paraphrase]'). Nothing is sent
    anywhere unless --llm names an address.

    Example: semworld goal "nudge the red moon over to the blue cube" --objects "red moon, blue cube"
    """
    entry = load_environment(environment)
    default = entry.spec.default_objects
    names = default if objects is None else tuple(n for n in (name.strip() for name in objects.split(",")) if n)
    if url is None:
        from swm_core.tasks import build_task

        task = build_task(_steps(text, names, entry), entry.questions)
    else:
        from swm_core.tasks.chat import Endpoint
        from swm_core.tasks.decompose import decompose

        endpoint = Endpoint(url, llm_model, llm_key_variable, llm_timeout)
        task = decompose(text, names, endpoint, entry.questions, entry.effector_words)
    click.echo(_described(task))
    write_json(json_file, _json_ready(task))


def _steps(text: str, names: Sequence[str], entry: EnvironmentEntry) -> tuple[TaskSpec, ...]:
    """By the grammar; only what that refuses loads the text embedding."""
    from swm_core.tasks import parse_goal
    from swm_core.tasks.paraphrase import load_paraphrases

    words = (entry.spec.effector_word,)
    try:
        return parse_goal(text, names, words)
    except WordingError as refused:
        try:
            parse = load_paraphrases()
        except ModelError as error:
            raise GoalError(f"{refused}. Only the grammar was tried: {error}") from error
        return parse(text, names, words)


def _described(task: Task) -> str:
    answer = {True: "yes", False: "no"}
    rows = [
        (question.text, str(step), answer[question.desired], f"{question.weight:.2f}")
        for step, subgoal in enumerate(task.subgoals, 1)
        for question in subgoal.questions
    ]
    ends = [
        f"subgoal {step} ends when "
        + " and ".join(f"{q.text!r} is answered {answer[q.desired]}" for q in subgoal.completion)
        for step, subgoal in enumerate(task.subgoals, 1)
    ]
    return "\n".join([task.name, text_table(("question", "subgoal", "wanted", "weight"), rows), *ends])


def _json_ready(task: Task) -> dict[str, Any]:
    return {
        "task": task.name,
        "subgoals": [
            {
                "questions": [
                    {"question": q.text, "desired": "yes" if q.desired else "no", "weight": q.weight}
                    for q in subgoal.questions
                ],
                "completion": [
                    {"question": q.text, "desired": "yes" if q.desired else "no"} for q in subgoal.completion
                ],
            }
            for subgoal in task.subgoals
        ],
    }
