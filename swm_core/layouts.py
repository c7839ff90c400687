# SPDX-License-Identifier: Apache-2.0
"""Where an episode begins: in the first layout of its seed in which the goal does not hold already."""

from __future__ import annotations

from collections.abc import Sequence

from swm_core.environment import Environment
from swm_core.tasks.library import TaskSpec, steps_done

MOST_REDRAWS = 1000


def pass_over_solved(env: Environment, objects: tuple[str, ...], steps: Sequence[TaskSpec]) -> int | None:
    """Go on to the first layout of the environment's stream in which the first step does not hold.

    Args:
        env: just reset with a seed; the present layout is the first that is looked at.
        objects: names of the objects of the episode.
        steps: of the goal; with none the present layout is taken.

    Returns:
        Layouts passed over, or None where the step holds in each of `MOST_REDRAWS`.

    Raises:
        SceneError: a block of the task is not on the table.
    """
    for redraws in range(MOST_REDRAWS):
        if not steps_done(steps[:1], env.scene()):
            return redraws
        env.reset(options={"objects": objects})
    return None
