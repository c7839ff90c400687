# SPDX-License-Identifier: Apache-2.0
"""`semworld plan`: one plan from one picture, and how it came about."""

from __future__ import annotations

from pathlib import Path

import click

from swm_core.cli import json_option, write_json
from swm_core.commands.method import settings_options
from swm_core.commands.table import text_table
from swm_core.data.collection import choose_objects
from swm_core.environment import DEFAULT_ENVIRONMENT, load_environment


@click.command("plan")
@click.argument("goal")
@click.option(
    "--image", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="Frame (PNG)."
)
@click.option("--env", "environment", default=DEFAULT_ENVIRONMENT, help="Environment of the shipped model.")
@click.option("--objects", help="Object set or 'a,b,...' in view; the environment's first set when not given.")
@click.option("--planner", type=click.Choice(["gradient", "mppi", "policy"]), default="gradient")
@settings_options
@click.option("--seed", type=int, default=0, help="Of what is drawn.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw paths and values as PNG here.")
@json_option
def plan_command(
    goal: str,
    image: Path,
    environment: str,
    objects: str | None,
    planner: str,
    preset: str,
    settings: tuple[str, ...],
    model: Path | None,
    policy: Path | None,
    seed: int,
    picture: Path | None,
    json_file: Path | None,
) -> None:
    """Plan towards GOAL from one picture: value and probabilities per iteration, and the actions.

    Example: semworld plan --image frame.png "push the red moon to the green star" --picture plan.png
    """
    from swm_core.evaluation.asking import read_frame
    from swm_core.evaluation.plan_pictures import draw_plan
    from swm_core.evaluation.planners import planner_config
    from swm_core.planning.controller import Controller
    from swm_core.planning.settings import start_settings
    from swm_core.tasks.goal_text import parse_goal
    from swm_core.tasks.library import build_task

    entry = load_environment(environment)
    names = choose_objects(entry.spec, objects or next(iter(entry.spec.object_sets)))
    task = build_task(parse_goal(goal, names, entry.effector_words), entry.questions)
    config = planner_config(planner, start_settings(preset, environment), settings, policy is not None)
    controller = Controller.load(environment, model, config, seed, policy)
    controller.start(task)
    frame = read_frame(image)
    plan = controller.plan(frame)
    header = ("iteration", "value", *(f"p: {question}" for question in plan.questions))
    ends = plan.probabilities[:, :, -1]
    rows = [(str(i), f"{v:.3f}", *(f"{p:.3f}" for p in ends[i])) for i, v in enumerate(plan.values)]
    click.echo(text_table(header, rows))
    click.echo(f"chosen: value {plan.value:.3f}, {1000 * plan.timings['total']:.0f} ms")
    result = {"goal": goal, "value": plan.value, "values": plan.values.tolist(), "questions": list(plan.questions)}
    write_json(json_file, result | {"probabilities": ends.tolist(), "actions": plan.actions.tolist()})
    if picture is not None:
        draw_plan(frame, entry.spec, plan, goal, picture)
