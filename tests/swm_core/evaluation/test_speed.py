# SPDX-License-Identifier: Apache-2.0
"""`semworld bench`: both orders of computation are measured, and both compute what they say."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from swm_core.cli import main
from swm_core.evaluation.speed import OURS, PAPER, PlanningSpeed, SpeedSettings, speed_result
from swm_core.models.grounded import GroundedModel
from swm_core.planning.gradient import GradientConfig


def test_the_table_has_both_orders_and_their_ratio(
    tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    threads = torch.get_num_threads()
    words = ["--model", str(model_folder), "--repeats", "2", "--threads", str(threads), "--json", str(out)]
    assert main(["bench", *words]) == 0
    result, said = json.loads(out.read_text()), capsys.readouterr().out
    for kind in (OURS, PAPER):
        assert kind in said
        assert len(result["plans"][kind]["times_ms"]) == 2
        assert 0 < result["plans"][kind]["median_ms"] <= result["plans"][kind]["p95_ms"]
    assert result["ratio"] == pytest.approx(result["plans"][PAPER]["median_ms"] / result["plans"][OURS]["median_ms"])
    assert result["ratio"] > 1
    assert result["machine"]["threads"] == threads


def test_ratio_is_that_of_the_medians() -> None:
    times = {name: np.array([[1.0, 0.5], [3.0, 0.5], [2.0, 0.5]]) * factor for name, factor in ((OURS, 1), (PAPER, 10))}
    result = speed_result(times)
    assert (result["ratio"], result["cpu_ratio"]) == (10.0, 10.0)
    assert result["plans"][OURS]["median_ms"] == 2.0


def test_the_papers_order_scores_each_question_after_each_sub_chunk(model_folder: Path) -> None:
    model = GroundedModel.load(model_folder)
    image = np.random.default_rng(0).integers(0, 256, model.image_shape, np.uint8)
    settings = SpeedSettings(horizon=4, sub_chunk=2, gradient=GradientConfig(iterations=1))
    speed = PlanningSpeed(model, settings, image)
    ours, paper = speed.cached_score()(speed.proposal), speed.plain_score()(speed.proposal)
    assert ours.probabilities.shape == paper.probabilities.shape == (1, 2, 2)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255.0
    words = model.encode([speed.questions[1].text])
    logits = model.network.forward_plain(pixels, *words, speed.proposal[:, :2], "prefix_lm").logits
    assert float(paper.probabilities[0, 1, 0]) == pytest.approx(float(logits.sigmoid()), abs=1e-5)
    weights = [question.weight for question in speed.questions]
    expected = sum(w * float(p.sum()) for w, p in zip(weights, paper.probabilities[0], strict=True))
    assert float(paper.values) == pytest.approx(expected, rel=1e-5)
