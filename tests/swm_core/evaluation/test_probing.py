# SPDX-License-Identifier: Apache-2.0
"""Linear probes: the regression by what it must find, and `semworld probe` on the tabletop."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tabletop import Tabletop

from swm_core.cli import main
from swm_core.data.questioning import QuestionCatalogue
from swm_core.data.trajectories import Trajectories
from swm_core.errors import ConfigError, DataError
from swm_core.evaluation.probing import (
    MATCH,
    PIXELS,
    SHUFFLED,
    TOKENS,
    ProbeData,
    ProbeSettings,
    frozen_features,
    gather,
    probe,
    small_frame,
    split_seeds,
)
from swm_core.evaluation.ridge import fit_ridge, r_squared, ridge_path
from swm_core.models.compact import CompactWorldModel
from swm_core.models.grounded import GroundedModel
from swm_core.models.grounding import LENGTH_UNIT
from swm_core.models.weights import save_model
from swm_core.training.config import ModelSettings
from swm_core.training.trainer import compact_config


@pytest.fixture(scope="module")
def tabletop_model(data: Trajectories, catalogue: QuestionCatalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    sizes = ModelSettings(width=32, layers=1, action_layers=1, heads=2, fine_width=16)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tabletop_model")
    save_model(folder, CompactWorldModel(compact_config(data.spec, catalogue, sizes)))
    return folder


def made_up(
    random: np.random.Generator, layouts: int = 60, frames: int = 5, width: int = 40
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (n, width) that hold two coordinates (n, 2) linearly under noise, and the layouts (n,)."""
    seeds = np.repeat(np.arange(layouts), frames)
    y = random.normal(size=(layouts, 2))[seeds] + 0.1 * random.normal(size=(len(seeds), 2))
    x = y @ random.normal(size=(2, width)) + 0.3 * random.normal(size=(len(seeds), width))
    return x, y, seeds


@pytest.mark.parametrize(("rows", "features"), [(12, 5), (5, 12)])
def test_weights_are_where_the_gradient_is_zero(rows: int, features: int) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(rows, features)), random.normal(size=(rows, 2))
    for penalty, w in zip((0.01, 3.0), ridge_path(x, y, np.array([0.01, 3.0])), strict=True):
        assert x.T @ (x @ w - y) + penalty * rows * w == pytest.approx(0, abs=1e-9)


def test_r_squared_by_hand() -> None:
    truth = np.array([[0.0, 0.0], [2.0, 2.0]])
    assert r_squared(np.array([[0.0, 2.0], [1.0, 0.0]]), truth).tolist() == [0.5, -3.0]


def test_what_is_there_is_found_and_what_is_not_gets_the_largest_penalty() -> None:
    random = np.random.default_rng(1)
    x, y, seeds = made_up(random)
    noise = random.normal(size=(60, 1))[seeds]
    fitted = fit_ridge(x, np.hstack([y, noise]), seeds)
    assert max(fitted.penalties[:2]) < fitted.penalties[2]
    x_new = x + 0.3 * random.normal(size=x.shape)
    assert min(r_squared(fitted(x_new)[:, :2], y)) > 0.9


def probe_data(x: np.ndarray, y: np.ndarray, seeds: np.ndarray) -> ProbeData:
    places = {"moon": np.hstack([y, np.zeros((len(y), 1))])}
    return ProbeData({TOKENS: {"moon": x}}, places, seeds)


def test_a_probe_finds_positions_and_shuffled_ones_not() -> None:
    result = probe(probe_data(*made_up(np.random.default_rng(2))), ProbeSettings())["probes"]
    assert result[TOKENS]["mean_r2"] > 0.9
    assert result[SHUFFLED]["mean_r2"] < 0.1
    assert set(result[TOKENS]["things"]["moon"]) == {"x", "y"}  # z does not vary


def test_frames_of_a_layout_are_on_one_side() -> None:
    # features that tell the layout and nothing else: a split by frames would let them name the place
    seeds = np.repeat(np.arange(40), 10)
    y = np.random.default_rng(3).normal(size=(40, 2))[seeds]
    result = probe(probe_data(np.eye(40)[seeds], y, seeds), ProbeSettings())
    assert result["probes"][TOKENS]["mean_r2"] < 0.1
    assert not set(result["seeds"]["fit"]) & set(result["seeds"]["held_out"])
    assert len(result["seeds"]["held_out"]) == 10


def test_a_thing_that_some_scenes_lack_is_probed_where_it_is() -> None:
    x, y, seeds = made_up(np.random.default_rng(4))
    data = probe_data(x, y, seeds)
    data.places["moon"][seeds % 2 == 0] = np.nan
    cell = probe(data, ProbeSettings())["probes"][TOKENS]["things"]["moon"]["x"]
    _, held = split_seeds(seeds, ProbeSettings())
    assert cell["n"] == 5 * int((held % 2).sum())
    assert cell["r2"] > 0.8


def test_features_are_the_models_own(tabletop_model: Path, data: Trajectories) -> None:
    model = GroundedModel.load(tabletop_model)
    names = data.episodes[0].scenes.names
    images = np.stack([data.episodes[0].frame(t) for t in (0, 3)])
    tokens, matches = frozen_features(model, images, names)
    for row, image in enumerate(images):
        context = model.observe(image)
        prefix = model.read(context, [f"Is the {names[2]} touching the robotic peg?"])
        points = matches[row, [2, -1], -3:]
        assert points == pytest.approx(prefix.now[0, [1, 0]].numpy(), abs=1e-4)
        assert np.abs(points).max() < 2.0 / LENGTH_UNIT
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255.0
        found = model.network.look(pixels)[2][0, : -len(model.network.names)]
        assert tokens[row, : found.shape[1]] == pytest.approx(found.mean(0).numpy(), abs=1e-3)
    assert not np.allclose(tokens[0], tokens[1], atol=1e-4)


def test_pixels_tell_where_a_disc_is_and_shuffled_labels_do_not() -> None:
    env, frames, places = Tabletop(), [], []
    for seed in range(1000):
        env.reset(seed=seed)
        frames.append(small_frame(env.render()))
        places.append(env.scene().positions[env.names.index("blue cube")])
    features = {TOKENS: {"blue cube": np.array(frames)}}
    result = probe(ProbeData(features, {"blue cube": np.array(places)}, np.arange(1000)), ProbeSettings())["probes"]
    assert result[TOKENS]["mean_r2"] > 0.6
    assert result[SHUFFLED]["mean_r2"] < 0.1


def test_the_command_writes_table_and_json(
    folder: Path, tabletop_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, table = tmp_path / "out.json", tmp_path / "out.md"
    words = ["--model", str(tabletop_model), "--frames", "120", "--json", str(out), "--markdown", str(table)]
    assert main(["probe", str(folder), *words]) == 0
    result = json.loads(out.read_text())
    assert set(result["probes"]) == {TOKENS, MATCH, PIXELS, SHUFFLED}
    assert set(result["probes"][MATCH]["things"]) == {*Trajectories.load(folder).episodes[0].scenes.names, "effector"}
    assert result["frames"]["fit"] + result["frames"]["held_out"] == 120
    assert {"weights", "commit", "command", "machine", "seed"} <= set(result)
    assert "red moon x" in capsys.readouterr().out
    assert "red moon x" in table.read_text()


def test_wrong_settings_are_refused(data: Trajectories, model_folder: Path) -> None:
    with pytest.raises(ConfigError, match="held-out share"):
        ProbeSettings(test_share=1.0)
    with pytest.raises(DataError, match="two environment seeds"):
        split_seeds(np.array([3, 3]), ProbeSettings())
    with pytest.raises(DataError, match="the model takes"):
        gather(GroundedModel.load(model_folder), data, ProbeSettings(frames=2))
