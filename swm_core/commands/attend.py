# SPDX-License-Identifier: Apache-2.0
"""`semworld attend`: where the words of questions look in a picture."""

from __future__ import annotations

from pathlib import Path

import click

from swm_core.cli import json_option, write_json
from swm_core.commands.table import text_table
from swm_core.environment import DEFAULT_ENVIRONMENT


@click.command("attend")
@click.argument("questions", nargs=-1, required=True)
@click.option(
    "--image", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="Frame (PNG)."
)
@click.option("--env", "environment", default=DEFAULT_ENVIRONMENT, help="Environment of the shipped model.")
@click.option(
    "--model", type=click.Path(file_okay=False, path_type=Path), help="Model folder; the shipped one if not given."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("attention"),
    help="Folder of the pictures, a PNG per question.",
)
@json_option
def attend_command(
    questions: tuple[str, ...],
    image: Path,
    environment: str,
    model: Path | None,
    out: Path,
    json_file: Path | None,
) -> None:
    """Draw where the words of yes/no QUESTIONS look in the picture.

    For the effector and each thing named, the match with the cells of the frame; for all words together, the
    transformer's attention to the image. The table has centres of mass, and the share within 24 px of them.

    Example: semworld attend --image frame.png "Is the red moon touching the green star?"
    """
    from swm_core.evaluation.asking import read_frame
    from swm_core.evaluation.attention import attention_result, draw_attention
    from swm_core.models.grounded import GroundedModel
    from swm_core.models.looking import look
    from swm_core.models.shipped import shipped_model
    from swm_core.models.weights import weights_hash
    from swm_core.tasks.words import tokenize

    folder = model or shipped_model(environment)
    loaded, frame = GroundedModel.load(folder), read_frame(image)
    results, rows = [], []
    for number, attention in enumerate(look(loaded, frame, questions), 1):
        picture = out / f"{number:02d}_{'_'.join(tokenize(attention.question))[:80]}.png"
        draw_attention(frame, attention, picture)
        result = attention_result(attention)
        results.append({**result, "picture": str(picture)})
        for kind, found in (("match", result["names"]), ("attention", result["words"])):
            for row in found:
                u, v = row["centre_px"]
                rows.append([f"{number} {row['word']}", kind, f"{u:.0f}, {v:.0f}", f"{row['share_near']:.0%}"])
    click.echo(text_table(("question, word", "kind", "centre, px", "within 24 px"), rows))
    write_json(json_file, {"questions": results, "weights": weights_hash(folder)})
