# SPDX-License-Identifier: Apache-2.0
"""`semworld bench`: time of a plan, ours and the paper's order of computation on the same weights."""

from __future__ import annotations

from pathlib import Path

import click

from swm_core.cli import json_option, write_json
from swm_core.commands.table import text_table
from swm_core.environment import DEFAULT_ENVIRONMENT, load_environment
from swm_core.errors import ModelError


@click.command("bench")
@click.option("--env", "environment", default=DEFAULT_ENVIRONMENT, help="Environment.")
@click.option(
    "--model",
    type=click.Path(file_okay=False, path_type=Path),
    help="Model folder; the shipped one if not given, random weights if there is none.",
)
@click.option("--untrained", is_flag=True, help="Random weights of the default size.")
@click.option("--repeats", type=click.IntRange(1), default=20, help="Plans of each kind, taken in turn.")
@click.option(
    "--threads", type=click.IntRange(1), help="Threads of the mathematics; the machine's default when not given."
)
@json_option
def bench_command(
    environment: str, model: Path | None, untrained: bool, repeats: int, threads: int | None, json_file: Path | None
) -> None:
    """Measure milliseconds per plan: one candidate, 10 gradient iterations, horizon 16, c = 8, two questions.

    The frame's encoding is included. Also MPPI with 16 samples and 8 iterations, and the controller with its proposals.
    """
    import torch

    from swm_core.evaluation.provenance import provenance
    from swm_core.evaluation.speed import (
        SPEED_HEADER,
        PlanningSpeed,
        SpeedSettings,
        speed_result,
        speed_rows,
        untrained_model,
    )
    from swm_core.models.grounded import GroundedModel
    from swm_core.models.shipped import shipped_model
    from swm_core.models.weights import weights_hash

    if threads is not None:
        torch.set_num_threads(threads)
    folder = model
    if folder is None and not untrained:
        try:
            folder = shipped_model(environment)
        except ModelError as error:
            click.echo(f"{error}; measured with random weights", err=True)
    loaded = GroundedModel.load(folder) if folder else GroundedModel(untrained_model(environment))
    env = load_environment(environment).make(images=False)
    env.reset(seed=0)
    speed = PlanningSpeed(loaded, SpeedSettings(repeats=repeats), env.render())
    env.close()
    result = {
        **speed_result(speed.measure(progress=True)),
        "weights": weights_hash(folder) if folder else None,
        "parameters": sum(p.numel() for p in loaded.network.parameters()),
        "repeats": repeats,
        **provenance(),
    }
    click.echo(text_table(SPEED_HEADER, speed_rows(result)))
    machine = result["machine"]
    click.echo(
        f"paper's order / ours: {result['ratio']:.1f} by the clock, {result['cpu_ratio']:.1f} of processor time "
        f"({machine['processor']}, {machine['threads']} threads)"
    )
    write_json(json_file, result)
