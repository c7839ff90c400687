# SPDX-License-Identifier: Apache-2.0
"""`semworld eval qa`: how often the model's answers about the future are right."""

from __future__ import annotations

from pathlib import Path

import click

from swm_core.cli import json_option, write_json
from swm_core.commands.table import text_table
from swm_core.environment import load_environment


@click.command("qa")
@click.argument("data", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True)
@click.option(
    "--model", type=click.Path(file_okay=False, path_type=Path), help="Model folder; the shipped one if not given."
)
@click.option("--behaviour", multiple=True, help="Only episodes of this behaviour; may be given several times.")
@click.option("--type", "types", multiple=True, help="Only this question type; may be given several times.")
@click.option("--per-type", type=click.IntRange(2), default=400, help="Questions per type, half of them yes; even.")
@click.option(
    "--phrasings", type=click.Choice(["trained", "held_out"]), default="trained", help="Words of the questions."
)
@click.option("--seed", type=int, default=0, help="Seed of the test set.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Also write tables here.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Also draw the result as PNG here.")
@click.option(
    "--failures", type=click.Path(file_okay=False, path_type=Path), help="Draw the most frequent failures as PNG here."
)
@json_option
def answers_command(
    data: tuple[Path, ...],
    model: Path | None,
    behaviour: tuple[str, ...],
    types: tuple[str, ...],
    per_type: int,
    phrasings: str,
    seed: int,
    markdown: Path | None,
    picture: Path | None,
    failures: Path | None,
    json_file: Path | None,
) -> None:
    """Ask the model about episodes in the data set folders DATA that it was not trained on.

    Balanced: as many questions of each type, half of them with the answer yes. The balanced accuracy is the mean over
    types of the mean of the accuracies on yes and on no.
    """
    from swm_core.data.evaluation_questions import evaluation_questions
    from swm_core.data.trajectories import Trajectories
    from swm_core.evaluation.answer_reports import TYPE_HEADER, draw_result, type_rows, write_markdown
    from swm_core.evaluation.answers import answer_measures, answer_questions
    from swm_core.evaluation.failures import draw_failures, failure_kinds
    from swm_core.evaluation.provenance import provenance
    from swm_core.models.loading import load_world_model
    from swm_core.models.shipped import shipped_model
    from swm_core.models.weights import weights_hash
    from swm_core.tasks.questions import find_type

    trajectories = Trajectories.load(data, behaviour)
    entry = load_environment(trajectories.spec.name)
    asked = [find_type(name, entry.questions) for name in types] if types else list(entry.questions)
    folder = model or shipped_model(trajectories.spec.name)
    loaded = load_world_model(folder)
    questions = evaluation_questions(trajectories, asked, per_type, seed, phrasings)
    answered = answer_questions(loaded, trajectories, questions, progress=True)
    measures, _ = answer_measures(answered)
    kinds = failure_kinds(answered)
    result = {
        **measures,
        "failures": [kind.summary() for kind in kinds],
        "phrasings": phrasings,
        "per_type": per_type,
        "seed": seed,
        "data": [str(folder) for folder in data],
        "behaviours": sorted({e.file.metadata.behaviour for e in trajectories.episodes}),
        "episodes": len(trajectories),
        "weights": weights_hash(folder),
        **provenance(),
    }
    click.echo(text_table(TYPE_HEADER, type_rows(result)))
    click.echo(f"expected calibration error {result['ece']:.3f}")
    write_json(json_file, result)
    if markdown is not None:
        write_markdown(result, markdown)
    if picture is not None:
        draw_result(result, picture)
    if failures is not None:
        for path in draw_failures(trajectories, questions, answered, kinds, failures):
            click.echo(str(path))
