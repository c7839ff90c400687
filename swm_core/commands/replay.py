# SPDX-License-Identifier: Apache-2.0
"""`semworld replay`: another planner or model on recorded observations."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
import numpy as np

from swm_core.cli import json_option, write_json
from swm_core.commands.method import settings_options
from swm_core.commands.table import text_table


@click.command("replay")
@click.argument("recording", type=click.Path(exists=True, path_type=Path))
@click.option("--planner", type=click.Choice(["gradient", "mppi", "policy", "none", "random"]), default="gradient")
@settings_options
@click.option("--env", "environment", help="Environment; by default the one recorded.")
@click.option("--seed", type=int, default=0, help="Of what is drawn.")
@click.option("--tolerance", type=click.FloatRange(0), default=0.02, help="Distance up to which plans agree, m.")
@click.option("--rows", type=click.IntRange(1), default=20, help="Decisions in the table: those that differ most.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw the differences as PNG here.")
@json_option
def replay_command(
    recording: Path,
    planner: str,
    preset: str,
    settings: tuple[str, ...],
    model: Path | None,
    policy: Path | None,
    environment: str | None,
    seed: int,
    tolerance: float,
    rows: int,
    picture: Path | None,
    json_file: Path | None,
) -> None:
    """Run another planner or model over a RECORDING (MCAP) and show where its decisions differ.

    Values are those of the model used now, for the recorded chunk and for its own. What the other planner would have
    reached is not known from this: the frames followed from the recorded commands.

    Example: semworld replay run.mcap --planner mppi --picture replay.png
    """
    from swm_core.evaluation.planners import planner_config
    from swm_core.planning.controller import Controller
    from swm_core.planning.settings import start_settings
    from swm_core.records.reader import environment_entry, read_recording
    from swm_core.records.replay import replay
    from swm_core.records.replay_pictures import draw_replay

    read = read_recording(recording)
    spec = environment_entry(read, environment).spec
    config = planner_config(planner, start_settings(preset, spec.name), settings, policy is not None)
    controller = Controller.load(spec.name, model, config, seed, policy)
    decisions = replay(read, controller, spec)
    if read.model and read.model != controller.weights:
        click.echo(f"recorded with model {read.model}, replayed with {controller.weights}")
    most = sorted(sorted(decisions, key=lambda d: -d.distance)[:rows], key=lambda d: d.time)
    header = ("time, s", "task", "apart, mm", "turn, deg", "value recorded", f"value {planner}", "complete", "now")
    cells = [
        (
            f"{d.time:.2f}", d.task, f"{1000 * d.distance:.0f}", f"{d.turn:.0f}", f"{d.recorded_value:.3f}",
            f"{d.value:.3f}", f"{d.recorded_completion:.2f}", f"{d.completion:.2f}",
        )
        for d in most
    ]  # fmt: skip
    click.echo(text_table(header, cells))
    apart = np.array([d.distance for d in decisions])
    gain = float(np.mean([d.value - d.recorded_value for d in decisions]))
    differ = int((apart > tolerance).sum())
    click.echo(
        f"{differ} of {len(decisions)} decisions lead more than {1000 * tolerance:.0f} mm apart (median "
        f"{1000 * np.median(apart):.0f} mm); the value of {planner}'s chunks is higher by {gain:+.3f} on average"
    )
    plain = [{k: v for k, v in asdict(d).items() if k != "image"} for d in decisions]
    ready = [{k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in d.items()} for d in plain]
    write_json(json_file, {"recording": recording.name, "planner": planner, "differ": differ, "decisions": ready})
    if picture is not None:
        draw_replay(decisions, spec, planner, tolerance, picture)
        click.echo(f"drawn: {picture}")
