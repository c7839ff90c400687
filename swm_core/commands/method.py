# SPDX-License-Identifier: Apache-2.0
"""The method that a command runs: planner, settings, model and base policy, as options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swm_core.errors import ConfigError

if TYPE_CHECKING:
    from swm_core.evaluation.tasks import TaskEvaluation
    from swm_core.planning.settings import PlannerConfig

PLANNER = click.option(
    "--planner", type=click.Choice(["gradient", "mppi", "policy", "none", "random"]), default="gradient"
)
SETTINGS = (
    click.option(
        "--model", type=click.Path(file_okay=False, path_type=Path), help="Model folder; the shipped one if not given."
    ),
    click.option(
        "--policy",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of a base policy (train-policy): it proposes to the planner, or acts alone (planner policy).",
    ),
    click.option(
        "--preset", type=click.Choice(["default", "paper"]), default="default", help="Planner settings to start from."
    ),
    click.option(
        "--set", "settings", multiple=True, help="planner.NAME=VALUE, planner.gradient.NAME=VALUE (repeatable)."
    ),
)
QUESTIONS = (
    click.option("--phrasing", type=click.IntRange(0), default=0, help="Wording of the questions; 0 is the paper's."),
    click.option("--held-out", is_flag=True, help="Take one of the wordings that training never used (Table 8)."),
    click.option("--unweighted", is_flag=True, help="Equal weights for all questions (Table 7)."),
)


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options that say with what a planner plans."""
    for option in reversed(SETTINGS):
        command = option(command)
    return command


def method_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options of `read_method`, passed to the command by their names."""
    for option in reversed(QUESTIONS):
        command = option(command)
    return PLANNER(settings_options(command))


@dataclass(frozen=True)
class Method:
    """What plays.

    Attributes:
        config: how to plan.
        model: folder of the world model; None where the planner needs none.
        policy: folder of the base policy, or None.
        weights: hash of the model's weights, or None.
        drawn: hash of the policy's weights, or None.
        asked: phrasing, whether it is held out, and whether the questions have their weights.
    """

    config: PlannerConfig
    model: Path | None
    policy: Path | None
    weights: str | None
    drawn: str | None
    asked: tuple[int, bool, bool]

    def evaluation(self, environment: str, objects: tuple[str, ...], task: str, steps: int) -> TaskEvaluation:
        """A task to be played by it."""
        from swm_core.evaluation.tasks import TaskEvaluation

        return TaskEvaluation(environment, objects, task, steps, self.config, self.weights, self.drawn, *self.asked)


def read_method(
    environment: str,
    *,
    planner: str,
    model: Path | None,
    policy: Path | None,
    preset: str,
    settings: tuple[str, ...],
    phrasing: int,
    held_out: bool,
    unweighted: bool,
) -> Method:
    """The method that the options of `method_options` say.

    Raises:
        ConfigError: settings that do not fit, the paper's where it has none, or a base policy is needed and none is
            given.
        ModelError: no such model or policy.
    """
    from swm_core.evaluation.planners import planner_config
    from swm_core.models.shipped import shipped_model
    from swm_core.models.weights import weights_hash
    from swm_core.planning.settings import WITHOUT_MODEL, start_settings

    config = planner_config(planner, start_settings(preset, environment), settings, policy is not None)
    if config.needs_policy and policy is None:
        raise ConfigError("these planner settings need a base policy: give its folder with --policy")
    folder = None if planner in WITHOUT_MODEL else model or shipped_model(environment)
    base = policy if config.needs_policy else None
    weights, drawn = (weights_hash(path) if path else None for path in (folder, base))
    return Method(config, folder, base, weights, drawn, (phrasing, held_out, not unweighted))
