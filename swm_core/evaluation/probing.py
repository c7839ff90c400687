# SPDX-License-Identifier: Apache-2.0
"""What a frozen model's image features say about where things are, read out by linear regression.

The probe changes nothing in the model. What it finds in the image tokens is there for the transformer to use; the same
regression on a small version of the frame itself says how much of that is no merit of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from tqdm import tqdm

from swm_core.data.trajectories import Trajectories
from swm_core.errors import ConfigError, DataError
from swm_core.evaluation.ridge import fit_ridge, r_squared
from swm_core.models.grounded import GroundedModel
from swm_core.models.vision import TOKEN_STRIDE, grid_shape, to_pixels
from swm_core.scene import EFFECTOR

GRID = (3, 5)  # rows and columns that the image tokens are pooled to, beside their mean
SMALL = (32, 18)  # px, width and height of the frame that is the baseline
BATCH = 16  # frames encoded at once
STILL = 1e-3  # m; a coordinate that varies less is not probed
TOKENS, MATCH, PIXELS, SHUFFLED = "image tokens", "word match", "pixels", "tokens, labels shuffled"

Features = dict[str, dict[str, np.ndarray]]  # kind -> what is located -> (N, d)


@dataclass(frozen=True)
class ProbeSettings:
    """What is probed.

    Attributes:
        frames: most frames, drawn from all states that have one.
        test_share: part of the environment seeds, and so of the layouts, that is held out.
        seed: of the draws.
    """

    frames: int = 2000
    test_share: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: no frames, or nothing on one side of the split.
        """
        if self.frames < 2 or not 0.0 < self.test_share < 1.0:
            raise ConfigError(f"at least 2 frames and a held-out share within 0 and 1 are needed, got {self}")


@dataclass(frozen=True)
class ProbeData:
    """N frames as features, and where things are in them.

    Attributes:
        features: for each kind and each thing, (N, d) float32.
        places: for each thing, (N, 3) world frame, m; NaN where the scene lacks it.
        seeds: (N,) int64 environment seed of each frame; frames of a seed are never on both sides of the split.
    """

    features: Features
    places: dict[str, np.ndarray]
    seeds: np.ndarray


def pool_tokens(tokens: Tensor, shape: tuple[int, int]) -> Tensor:
    """(B, rows * columns, width) image tokens to (B, d): their mean, and their means over a coarse grid."""
    grid = tokens.transpose(1, 2).unflatten(2, shape)
    pooled = adaptive_avg_pool2d(grid, (min(GRID[0], shape[0]), min(GRID[1], shape[1])))
    return torch.cat([tokens.mean(1), pooled.flatten(1)], -1)


def small_frame(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 frame to the (d,) numbers in [0, 1] of a small one."""
    return cv2.resize(image, SMALL, interpolation=cv2.INTER_AREA).ravel() / 255.0


@torch.no_grad()
def frozen_features(model: GroundedModel, images: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Features of B frames.

    Args:
        model: the model.
        images: (B, H, W, 3) uint8 RGB.
        names: N objects.

    Returns:
        (B, d) pooled image tokens, and (B, N + 1, width + 3) the fine map pooled by each name's match, the effector's
        last: values, and the points (they are part of the map) that the cells stand for.
    """
    network = model.network
    cells, _, tokens, _ = network.look(to_pixels(torch.from_numpy(images)))
    ids, named = model.encode(names, names)
    ids, named = network.with_effector(ids.expand(len(images), -1, -1), named.expand(len(images), -1, -1))
    match = network.ground(cells, ids, named)[3].unflatten(0, (len(images), len(names)))  # (B, N, MENTIONS, cells)
    share = torch.cat([match[:, :, 1], match[:, :1, 0]], 1).softmax(-1)
    found = torch.cat([share @ cells.values, share @ cells.points], -1)
    rows, columns = grid_shape(network.config.camera, TOKEN_STRIDE)
    return pool_tokens(tokens[:, : rows * columns], (rows, columns)).numpy(), found.numpy()


def gather(model: GroundedModel, data: Trajectories, settings: ProbeSettings, progress: bool = False) -> ProbeData:
    """Draw frames and encode them.

    Args:
        model: the model.
        data: episodes with frames.
        settings: how many.
        progress: whether to show a progress bar.

    Raises:
        DataError: no frames, or of another size than the model's.
    """
    random, states = np.random.default_rng(settings.seed), data.states()
    states = states[np.sort(random.permutation(len(states))[: settings.frames])]
    names = sorted({name for episode in data.episodes for name in episode.scenes.names})
    places = {name: np.full((len(states), 3), np.nan) for name in (*names, EFFECTOR)}
    tokens: list[np.ndarray] = []
    matches: list[np.ndarray] = []
    pixels: list[np.ndarray] = []
    with tqdm(total=len(states), unit="frame", disable=not progress) as bar:
        for start in range(0, len(states), BATCH):
            rows = states[start : start + BATCH]
            images = np.stack([data.episodes[number].frame(t) for number, t in rows])
            if images.shape[1:] != model.image_shape:
                raise DataError(f"frames are {images.shape[1:]}; the model takes {model.image_shape}")
            for found, into in zip(frozen_features(model, images, names), (tokens, matches), strict=True):
                into.append(found)
            pixels += [small_frame(image) for image in images]
            for i, (number, t) in enumerate(rows, start):
                scene = data.episodes[number].scenes[int(t)]
                places[EFFECTOR][i] = scene.effector
                for name, place in zip(scene.names, scene.positions, strict=True):
                    places[name][i] = place
            bar.update(len(rows))
    whole, small, match = np.concatenate(tokens), np.array(pixels, np.float32), np.concatenate(matches)
    features: Features = {
        TOKENS: dict.fromkeys(places, whole),
        MATCH: {name: match[:, i] for i, name in enumerate(places)},
        PIXELS: dict.fromkeys(places, small),
    }
    seeds = np.array([data.episodes[number].file.metadata.seed for number, _ in states])
    return ProbeData(features, places, seeds)


def split_seeds(seeds: np.ndarray, settings: ProbeSettings) -> tuple[np.ndarray, np.ndarray]:
    """Environment seeds to fit on, and held out.

    Raises:
        DataError: fewer than two seeds.
    """
    kinds = np.random.default_rng(settings.seed).permutation(np.unique(seeds))
    if len(kinds) < 2:
        raise DataError(f"a probe needs episodes of two environment seeds or more, got {len(kinds)}")
    held = min(max(1, round(settings.test_share * len(kinds))), len(kinds) - 1)
    return np.sort(kinds[held:]), np.sort(kinds[:held])


def _together(features: dict[str, np.ndarray], places: dict[str, np.ndarray]) -> list[list[str]]:
    """Things that are located from the same features in the same frames, so that one regression does for all."""
    groups: dict[tuple[int, bytes], list[str]] = {}
    for name, place in places.items():
        groups.setdefault((id(features[name]), np.isfinite(place[:, 0]).tobytes()), []).append(name)
    return list(groups.values())


def probe_kind(
    features: dict[str, np.ndarray], places: dict[str, np.ndarray], seeds: np.ndarray, held: np.ndarray
) -> dict[str, Any]:
    """Fit on the other seeds and score on the held-out ones.

    Args:
        features: for each thing, (N, d).
        places: for each thing, (N, 3), NaN where the scene lacks it.
        seeds: (N,) environment seeds.
        held: those held out.

    Returns:
        For each thing that is on both sides, for each coordinate that varies: "r2", "rmse" (m), "n" held-out frames.
    """
    found: dict[str, Any] = {}
    for names in _together(features, places):
        x, y = features[names[0]], np.concatenate([places[name] for name in names], -1)
        known, test = np.isfinite(y).all(-1), np.isin(seeds, held)
        fit, score = known & ~test, known & test
        if min(fit.sum(), score.sum()) < 2:
            continue
        varies = np.minimum(y[fit].std(0), y[score].std(0)) > STILL
        predicted = fit_ridge(x[fit], y[fit][:, varies], seeds[fit])(x[score])
        truth = y[score][:, varies]
        r2, rmse = r_squared(predicted, truth), np.sqrt(np.square(predicted - truth).mean(0))
        labels = [(name, axis) for name in names for axis in "xyz"]
        for (name, axis), a, b in zip([lb for lb, v in zip(labels, varies, strict=True) if v], r2, rmse, strict=True):
            found.setdefault(name, {})[axis] = {"r2": float(a), "rmse": float(b), "n": int(score.sum())}
    return {name: found[name] for name in places if name in found}


def probe(data: ProbeData, settings: ProbeSettings) -> dict[str, Any]:
    """Probe every kind of features, and the tokens again with the labels shuffled among frames: what chance gives.

    Returns:
        "probes" (for each kind "features", "mean_r2" and "things" from `probe_kind`), "frames" and "seeds" of both
        sides; JSON-ready.
    """
    fit, held = split_seeds(data.seeds, settings)
    order = np.random.default_rng(settings.seed).permutation(len(data.seeds))
    kinds = {kind: (features, data.places) for kind, features in data.features.items()}
    kinds[SHUFFLED] = (data.features[TOKENS], {name: place[order] for name, place in data.places.items()})
    probes = {}
    for kind, (features, places) in kinds.items():
        things = probe_kind(features, places, data.seeds, held)
        scores = [cell["r2"] for thing in things.values() for cell in thing.values()]
        width = next(iter(features.values())).shape[1]
        probes[kind] = {"features": width, "mean_r2": float(np.mean(scores)) if scores else None, "things": things}
    test = int(np.isin(data.seeds, held).sum())
    return {
        "probes": probes,
        "frames": {"fit": len(data.seeds) - test, "held_out": test},
        "seeds": {"fit": fit.tolist(), "held_out": held.tolist()},
    }


def probe_rows(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the table: R2 and error of each coordinate of each thing by each kind; the mean last."""
    probes = result["probes"]
    header = ["held-out R2 (error)", *probes]
    labels = [(name, axis) for name, thing in probes[TOKENS]["things"].items() for axis in thing]
    rows = []
    for name, axis in labels:
        cells = [probe["things"].get(name, {}).get(axis) for probe in probes.values()]
        rows.append([f"{name} {axis}", *(f"{c['r2']:.2f} ({1000 * c['rmse']:.0f} mm)" if c else "-" for c in cells)])
    means = [probe["mean_r2"] for probe in probes.values()]
    return header, [*rows, ["mean", *("-" if mean is None else f"{mean:.2f}" for mean in means)]]
