# SPDX-License-Identifier: Apache-2.0
"""Time of a plan: cached passes of the `causal_readout` layout against the paper's order of computation, in one run.

Both plan with the same weights, the same planner code and the same numbers: one candidate, ten gradient iterations,
horizon 16, sub-chunks of 8, two questions, the frame's encoding included. They differ in how a chunk is scored:

- ours: the frame and the questions are read once per plan; one pass over the action tokens answers both questions
  after every sub-chunk.
- paper: image, actions, question and readout attend to each other (`prefix_lm`), so nothing can be kept: one full
  forward and backward pass for every question, sub-chunk and iteration, the frame's convolutions included.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from swm_core.environment import load_environment
from swm_core.models.compact import CompactWorldModel
from swm_core.models.grounded import GroundedModel
from swm_core.models.vision import to_pixels
from swm_core.planning.controller import Controller, PlannerConfig
from swm_core.planning.gradient import GradientConfig, climb
from swm_core.planning.mppi import MppiConfig, sample_plan
from swm_core.planning.search import Bounds
from swm_core.planning.value import Score, Scored, chunk_value, desired, make_score, sub_chunk_ends
from swm_core.tasks.library import build_task, reach

OURS, PAPER, MPPI, CONTROLLER = (
    "gradient, cached",
    "gradient, paper's order",
    "mppi, cached",
    "controller, as on the robot",
)


@dataclass(frozen=True)
class SpeedSettings:
    """What is measured.

    Attributes:
        repeats: plans of each kind, taken in turn.
        horizon: H.
        sub_chunk: c of Eq. 2.
        gradient: settings of the gradient planner.
        mppi: settings of MPPI.
    """

    repeats: int = 20
    horizon: int = 16
    sub_chunk: int = 8
    gradient: GradientConfig = field(default_factory=lambda: GradientConfig(iterations=10))
    mppi: MppiConfig = field(default_factory=lambda: MppiConfig(iterations=8, samples=16))


def untrained_model(environment: str) -> CompactWorldModel:
    """A compact model of the default size with random weights, frozen: as fast as a trained one."""
    from swm_core.data.questioning import QuestionCatalogue
    from swm_core.training.config import ModelSettings
    from swm_core.training.trainer import compact_config

    entry = load_environment(environment)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CompactWorldModel(compact_config(entry.spec, QuestionCatalogue.of(entry), ModelSettings()))
    return model.eval().requires_grad_(False)


class PlanningSpeed:
    """One plan of each kind about the same frame and task.

    Args:
        model: whose weights are used.
        settings: what is measured.
        image: (H, W, 3) uint8 RGB.
    """

    def __init__(self, model: GroundedModel, settings: SpeedSettings, image: np.ndarray) -> None:
        self.model, self.settings, self.image = model, settings, image
        scale = torch.tensor(model.network.config.action_scale, dtype=torch.float32)
        self.bounds = Bounds(-scale, scale, torch.zeros(0, len(scale)))
        self.questions = build_task(reach("red moon")).subgoals[0].questions
        random = torch.Generator().manual_seed(0)
        shape = (1, settings.horizon, len(scale))
        self.proposal = scale * (torch.rand(shape, generator=random) - 0.5)
        self.random = random
        planner = PlannerConfig(horizon=settings.horizon, sub_chunk=settings.sub_chunk, gradient=settings.gradient)
        axes = {0: "dx", 1: "dy", 2: "dz"}
        names = [axes.get(axis, f"a{i}") for i, axis in enumerate(model.network.config.action_axes)]
        self.controller = Controller(model, (-scale).tolist(), scale.tolist(), names, planner)
        self.controller.start(build_task(reach("red moon")))

    def cached_score(self) -> Score:
        """Encode the frame, read the questions, and score by cached passes."""
        prefix = self.model.read(self.model.observe(self.image), [q.text for q in self.questions])
        return make_score(lambda actions: self.model.answer(prefix, actions), self.questions, self.settings.sub_chunk)

    def plain_score(self) -> Score:
        """Score by one whole pass per question and sub-chunk."""
        pixels = to_pixels(torch.from_numpy(np.ascontiguousarray(self.image))[None])
        encoded = [self.model.encode([question.text]) for question in self.questions]
        weights = torch.tensor([q.weight for q in self.questions])
        ends = sub_chunk_ends(self.settings.horizon, self.settings.sub_chunk)

        def score(actions: Tensor) -> Scored:
            logits = [
                [self.model.network.forward_plain(pixels, *words, actions[:, :end], "prefix_lm").logits for end in ends]
                for words in encoded
            ]
            yes = torch.stack([torch.cat(row, -1)[:, 0] for row in logits], 1).sigmoid()  # (1, K, J)
            probabilities = desired(yes, self.questions)
            return Scored(chunk_value(probabilities, weights), probabilities, None)

        return score

    def kinds(self) -> dict[str, Callable[[], Any]]:
        """What is timed, by name."""
        gradient, shape = replace(self.settings.gradient, keep=1), tuple(self.proposal.shape[1:])
        return {
            OURS: lambda: climb(self.cached_score(), self.proposal, self.bounds, gradient),
            PAPER: lambda: climb(self.plain_score(), self.proposal, self.bounds, gradient),
            MPPI: lambda: sample_plan(
                self.cached_score(), self.proposal, (shape[0], shape[1]), self.bounds, self.settings.mppi, self.random
            ),
            CONTROLLER: lambda: self.controller.plan(self.image),
        }

    def measure(self, progress: bool = False) -> dict[str, np.ndarray]:
        """(repeats, 2) milliseconds by the clock and of processor time, of each kind.

        The kinds take turns, so that a busy machine slows all of them alike; the first plan of each is not counted.
        """
        kinds = self.kinds()
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
        for repeat in tqdm(range(self.settings.repeats + 1), unit="round", disable=not progress):
            for name, plan in kinds.items():
                begin, used = time.perf_counter(), time.process_time()
                plan()
                if repeat:
                    times[name].append((1000.0 * (time.perf_counter() - begin), 1000.0 * (time.process_time() - used)))
        return {name: np.array(found) for name, found in times.items()}


def speed_result(times: dict[str, np.ndarray]) -> dict[str, Any]:
    """Medians, 95th percentiles and the ratio of the paper's order to ours, JSON-ready.

    Args:
        times: from `PlanningSpeed.measure`.

    Returns:
        "plans" by kind, "ratio" of the medians by the clock, and "cpu_ratio" of those of processor time.
    """
    rows = {
        name: {
            "median_ms": float(np.median(ms[:, 0])),
            "p95_ms": float(np.percentile(ms[:, 0], 95)),
            "cpu_median_ms": float(np.median(ms[:, 1])),
            "times_ms": ms[:, 0].round(2).tolist(),
        }
        for name, ms in times.items()
    }
    ours, paper = rows[OURS], rows[PAPER]
    ratios = {name: paper[key] / ours[key] for name, key in (("ratio", "median_ms"), ("cpu_ratio", "cpu_median_ms"))}
    return {"plans": rows, **ratios}


SPEED_HEADER = ("one plan", "median ms", "p95 ms", "processor ms", "times ours")


def speed_rows(result: dict[str, Any]) -> list[list[str]]:
    """Table cells, as in `SPEED_HEADER`."""
    ours = result["plans"][OURS]["median_ms"]
    return [
        [
            name,
            *(f"{row[key]:.1f}" for key in ("median_ms", "p95_ms", "cpu_median_ms")),
            f"{row['median_ms'] / ours:.2f}",
        ]
        for name, row in result["plans"].items()
    ]
