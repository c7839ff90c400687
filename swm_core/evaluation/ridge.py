# SPDX-License-Identifier: Apache-2.0
"""Ridge regression in closed form, the penalty of each target chosen on groups that the fit has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PENALTIES = 10.0 ** np.arange(-3, 5)  # times the number of rows, for standardised features


def ridge_path(x: np.ndarray, y: np.ndarray, penalties: np.ndarray) -> list[np.ndarray]:
    """Weights that minimise |x w - y|^2 + penalty * n * |w|^2, for each penalty.

    Args:
        x: (n, d) features.
        y: (n, k) targets.
        penalties: (P,) above 0.

    Returns:
        P arrays (d, k); solved over rows or over features, whichever are fewer.
    """
    rows, features = x.shape
    if rows < features:
        gram = x @ x.T
        return [x.T @ np.linalg.solve(gram + p * rows * np.eye(rows), y) for p in penalties]
    gram, moments = x.T @ x, x.T @ y
    return [np.linalg.solve(gram + p * rows * np.eye(features), moments) for p in penalties]


@dataclass(frozen=True)
class Ridge:
    """A fitted regression.

    Attributes:
        weights: (d, k) for standardised features.
        centre: (d,) mean of the features.
        scale: (d,) their standard deviation; infinite where they do not vary.
        offset: (k,) mean of the targets.
        penalties: (k,) that were chosen.
    """

    weights: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    offset: np.ndarray
    penalties: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(n, d) features to (n, k) predicted targets."""
        return (x - self.centre) / self.scale @ self.weights + self.offset


def _standard(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scale = x.std(0)
    return x.mean(0), np.where(scale > 1e-6, scale, np.inf)


def fit_ridge(x: np.ndarray, y: np.ndarray, groups: np.ndarray, penalties: np.ndarray = PENALTIES) -> Ridge:
    """Fit on all rows, each target with the penalty that does best on a quarter of the groups, fitted on the others.

    Args:
        x: (n, d) features.
        y: (n, k) targets.
        groups: (n,) rows of the same group are never on both sides.
        penalties: (P,) to choose from; with a single group, the last is taken.
    """
    x, y = x.astype(np.float64), y.astype(np.float64)
    inner = np.isin(groups, np.unique(groups)[::4])
    best = np.full(y.shape[1], len(penalties) - 1)
    if not inner.all():
        (centre, scale), offset = _standard(x[~inner]), y[~inner].mean(0)
        path = ridge_path((x[~inner] - centre) / scale, y[~inner] - offset, penalties)
        unseen = (x[inner] - centre) / scale
        best = np.argmin([np.square(unseen @ w + offset - y[inner]).mean(0) for w in path], axis=0)
    (centre, scale), offset = _standard(x), y.mean(0)
    path = ridge_path((x - centre) / scale, y - offset, penalties)
    weights = np.stack([path[chosen][:, column] for column, chosen in enumerate(best)], -1)
    return Ridge(weights, centre, scale, offset, penalties[best])


def r_squared(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(k,) share of the variance of `truth` (n, k) that is explained; below 0 is worse than its mean."""
    return 1.0 - np.square(predicted - truth).sum(0) / np.square(truth - truth.mean(0)).sum(0)
