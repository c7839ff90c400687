# SPDX-License-Identifier: Apache-2.0
"""What the compact model is trained to do: answer, say where things will be, and find the things that words name.

Each loss is a weighted mean, given as the weighted sum and the sum of the weights (two scalars), so that processes can
divide by what all of them weigh.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from swm_core.camera import Camera
from swm_core.models.compact import Readout
from swm_core.models.grounding import Found
from swm_core.models.vision import FINE_STRIDE, cell_index, grid_shape

POSITION_SCALE = 0.02  # m; an error of this size counts as 1
GRIP_SCALE = 0.1  # of the gripper's range; an error of this size counts as 1
MOVED = 0.01  # m; farther than this from its present place, a thing's position counts more
MOVED_WEIGHT = 4.0
ABSENT_WEIGHT = 0.3  # of a name whose thing is not there: most names


def answer_loss(readout: Readout, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Weighted cross-entropy of yes and no (paper Sec. 3.2) at the sampled horizons.

    Args:
        readout: of B * K questions, one candidate.
        batch: "answers" (B, K, Z) int8 with -1 for none, "weights" (B, K, Z), "horizons" (B, Z).
    """
    answers, weights = batch["answers"], batch["weights"]
    logits = logits_at(readout, batch)
    loss = functional.binary_cross_entropy_with_logits(logits, answers.clamp(min=0).float(), reduction="none")
    weights = weights * (answers >= 0)
    return ((loss * weights).sum(), weights.sum())


def logits_at(readout: Readout, batch: dict[str, Tensor]) -> Tensor:
    """(B, K, Z) log odds of yes at the sampled horizons."""
    images, questions, _ = batch["answers"].shape
    logits = readout.logits.view(images, questions, -1)
    return logits.gather(2, batch["horizons"][:, None].expand(-1, questions, -1))


def position_targets(batch: dict[str, Tensor]) -> Tensor:
    """(B, K, 3, h + 1, 3) positions of the effector and the mentioned things over time, NaN where unknown."""
    effector = batch["effector"][:, None, None].expand(-1, batch["targets"].shape[1], 1, -1, -1)
    return torch.cat([effector, batch["targets"]], 2)


def position_errors(readout: Readout, batch: dict[str, Tensor]) -> Tensor:
    """(B, K, 3, h + 1) distance between predicted and true position, m, NaN where unknown."""
    targets = position_targets(batch)
    predicted = readout.positions.squeeze(1).unflatten(0, targets.shape[:2]).transpose(2, 3)
    return (predicted - targets).norm(dim=-1)


def position_loss(readout: Readout, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Smooth L1 of the positions at every horizon: "where is X", the dense teacher of the dynamics.

    Things that move weigh more.

    Args:
        readout: of B * K questions, one candidate.
        batch: "targets" (B, K, 2, h + 1, 3) and "effector" (B, h + 1, 3), m, NaN where unknown.
    """
    targets = position_targets(batch)
    predicted = readout.positions.squeeze(1).unflatten(0, targets.shape[:2]).transpose(2, 3)
    known = targets.isfinite().all(-1)
    moves = (targets - targets[..., :1, :]).norm(dim=-1).nan_to_num() > MOVED
    weights = known * (1.0 + (MOVED_WEIGHT - 1.0) * moves)
    weights[:, :, 0] *= 0.25  # the effector is part of every question
    error = functional.smooth_l1_loss(
        predicted / POSITION_SCALE, targets.nan_to_num() / POSITION_SCALE, reduction="none", beta=0.25
    )
    return ((error.sum(-1) * weights).sum(), weights.sum())


def grounding_loss(scene: Found, batch: dict[str, Tensor], camera: Camera) -> tuple[Tensor, Tensor]:
    """Cross-entropy between each name's match and the cell where its thing is seen, or its not being there.

    Args:
        scene: what was found of all S names, and of the effector.
        batch: "scene_pixels" (B, S + 1, 2), px, NaN for what is not there, infinite for what nothing is said about.
        camera: the camera of the frames.
    """
    pixels = batch["scene_pixels"]
    target = cell_index(camera, FINE_STRIDE, pixels).flatten()
    logits = scene.logits.float().flatten(0, 1)
    weights = torch.where(target < 0, ABSENT_WEIGHT, 1.0) * ~pixels.isinf().any(-1).flatten()
    target = torch.where(target < 0, logits.shape[1] - 1, target)
    return ((functional.cross_entropy(logits, target, reduction="none") * weights).sum(), weights.sum())


def grip_loss(closed: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Smooth L1 of how far the gripper is closed: whether it holds what it surrounds shows in little else.

    Args:
        closed: (B,) 0 to 1.
        batch: "gripper" (B,) 0 to 1.
    """
    error = (closed - batch["gripper"]) / GRIP_SCALE
    loss = functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=0.25)
    return loss.sum(), loss.new_tensor(float(len(loss)))


def place_loss(places: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Smooth L1 of where each name is found, before any token has looked round: depth along a cell's ray is seen there.

    Args:
        places: (B, S + 1, 3) of all S names and of the effector, world frame, m.
        batch: "scene_positions" (B, S + 1, 3), NaN for what is not there.
    """
    wanted = batch["scene_positions"]
    there = wanted.isfinite().all(-1)
    error = (places - wanted.nan_to_num()) / POSITION_SCALE
    loss = functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=0.25).sum(-1)
    return (loss * there).sum(), there.sum()


def word_loss(scene: Found, names: Tensor, batch: dict[str, Tensor], camera: Camera) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each cell's showing what each word of the names stands for.

    A thing is larger than a cell: the cells around its own are left out. What kind of thing it is ("cube") is taught
    only of things whose colour no word names: where colours have names, one that is seen with some kinds only would
    be taken for evidence against the others.

    Args:
        scene: what was found of all S names, and of the effector.
        names: (S + 1, 2) numbers of their words.
        batch: "thing_pixels" (B, M, 2), px, NaN for none, and "thing_words" (B, M, 2), numbers of the things' words.
        camera: the camera of the frames.
    """
    cells = cell_index(camera, FINE_STRIDE, batch["thing_pixels"])  # (B, M)
    fits = (batch["thing_words"][:, None] == names[:, None]) & (cells >= 0)[:, None, :, None]  # (B, S + 1, M, 2)
    frame, name, thing, word = fits.nonzero(as_tuple=True)
    shown = torch.zeros_like(scene.words)
    shown[frame, name, word, cells[frame, thing]] = 1.0
    grid = shown.view(-1, 1, *grid_shape(camera, FINE_STRIDE))
    around = functional.max_pool2d(grid, 3, 1, 1).view_as(shown)
    loss = functional.binary_cross_entropy_with_logits(scene.words, shown, reduction="none")
    counted = around == shown
    first, last = batch["thing_words"].unbind(-1)  # (B, M)
    frame, thing = ((first > 0) & (first != last) & (cells >= 0)).nonzero(as_tuple=True)
    named = torch.zeros_like(shown[:, 0, 0])  # (B, cells)
    named[frame, cells[frame, thing]] = 1.0
    around = functional.max_pool2d(named.view(-1, 1, *grid.shape[2:]), 3, 1, 1).view_as(named)
    counted[:, :, 1] &= (around == 0)[:, None]
    return (loss * counted).sum(), loss.new_tensor(float(shown.shape[0] * shown.shape[1] * shown.shape[2]))
