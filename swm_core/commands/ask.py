# SPDX-License-Identifier: Apache-2.0
"""`semworld ask`: one question about the future of one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from swm_core.cli import json_option, write_json
from swm_core.commands.table import text_table
from swm_core.environment import DEFAULT_ENVIRONMENT, load_environment


@click.command("ask")
@click.argument("question")
@click.option(
    "--image", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="Frame (PNG)."
)
@click.option(
    "--actions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV, a row per action; the question is about now when not given.",
)
@click.option("--env", "environment", default=DEFAULT_ENVIRONMENT, help="Environment of the shipped model.")
@click.option(
    "--model", type=click.Path(file_okay=False, path_type=Path), help="Model folder; the shipped one if not given."
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw frame, predicted path and answer as PNG here.",
)
@json_option
def ask_command(
    question: str,
    image: Path,
    actions: Path | None,
    environment: str,
    model: Path | None,
    picture: Path | None,
    json_file: Path | None,
) -> None:
    """Answer a yes/no QUESTION about the picture now and after each of the actions.

    Example: semworld ask --image frame.png --actions actions.csv "Will the red moon touch the green star?"
    """
    from swm_core.evaluation.asking import ask_model, draw_answer, read_actions, read_frame
    from swm_core.models.loading import load_world_model
    from swm_core.models.shipped import shipped_model
    from swm_core.models.weights import weights_hash

    spec = load_environment(environment).spec
    folder = model or shipped_model(environment)
    loaded = load_world_model(folder)
    frame = read_frame(image)
    chunk = np.zeros((0, spec.action_dim), np.float32)
    if actions is not None:
        chunk = read_actions(actions, spec, loaded.horizon)
    answer = ask_model(loaded, frame, question, chunk)
    if answer.unknown:
        click.echo(f"note: the model does not know {', '.join(map(repr, answer.unknown))}", err=True)
    click.echo(
        text_table(("after actions", "probability of yes"), [(str(h), f"{p:.3f}") for h, p in enumerate(answer.yes)])
    )
    click.echo(f"{question} {'yes' if answer.yes[-1] > 0.5 else 'no'} ({answer.yes[-1]:.3f})")
    result: dict[str, Any] = {
        "question": question,
        "probabilities": answer.yes.tolist(),
        "answer": bool(answer.yes[-1] > 0.5),
        "unknown_words": list(answer.unknown),
        "positions": answer.places.tolist(),
        "weights": weights_hash(folder),
    }
    write_json(json_file, result)
    if picture is not None:
        draw_answer(frame, spec.camera, question, answer, picture)
