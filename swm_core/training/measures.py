# SPDX-License-Identifier: Apache-2.0
"""How good a model is on samples: balanced accuracy per question type, and how far off its positions are."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from swm_core.models.compact import CompactWorldModel
from swm_core.models.vision import to_pixels
from swm_core.training.losses import MOVED, logits_at, position_errors, position_targets


def to_inputs(batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images (B, 3, H, W) in [0, 1], ids, mentions and actions of a batch, as the model takes them."""
    images = to_pixels(batch["image"])
    return images, batch["ids"], batch["mentions"], batch["actions"]


class AnswerCounts:
    """Right and wrong answers per question type and wanted answer.

    Args:
        type_names: the catalogue's.
    """

    def __init__(self, type_names: Sequence[str]) -> None:
        self.type_names = type_names
        self.counts = torch.zeros(len(type_names), 2, 2)  # type, wanted, right

    def add(self, types: Tensor, answers: Tensor, yes: Tensor) -> None:
        """Count answers.

        Args:
            types: (N,) int64, places in type_names.
            answers: (N,) 0, 1, or -1 for none.
            yes: (N,) bool, what the model said.
        """
        known = answers >= 0
        wanted = answers[known].long()
        index = (types[known], wanted, (yes[known].long() == wanted).long())
        self.counts.index_put_(index, torch.ones(len(wanted)), accumulate=True)

    def summary(self) -> dict[str, float]:
        """Accuracy on no and on yes per type, and "balanced", the mean over types of the mean of the two."""
        share = self.counts[..., 1] / self.counts.sum(-1)
        result: dict[str, float] = {}
        for name, (no, yes) in zip(self.type_names, share.tolist(), strict=True):
            if not math.isnan(no + yes):  # a type without answers, as "where is X"
                result |= {f"{name}/no": no, f"{name}/yes": yes}
        return result | {"balanced": share.mean(1)[share.isfinite().all(1)].mean().item()}


@torch.no_grad()
def validate(
    model: CompactWorldModel, batches: Iterable[dict[str, Tensor]], type_names: Sequence[str], bfloat16: bool
) -> dict[str, float]:
    """Answer accuracies and median position errors on batches of samples.

    Args:
        model: the model.
        batches: from `swm_core.data.batches.collate_samples`.
        type_names: the catalogue's.
        bfloat16: whether to compute as in training with bfloat16.

    Returns:
        "balanced", "<type>/no", "<type>/yes" (shares), and medians in m: "found" (things at present), "effector" (at
        the longest horizon), "moved" (things that moved, at all horizons) and "moved_still" (the same for a model that
        says that nothing moves).
    """
    counts, errors = AnswerCounts(type_names), defaultdict(list)
    was, device = model.training, next(model.parameters()).device
    model.eval()
    for batch in batches:
        batch = {name: tensor.to(device) for name, tensor in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            readout, _ = model(*to_inputs(batch))
        logits = logits_at(readout, batch)
        types = batch["types"][..., None].expand_as(logits)
        counts.add(types.flatten().cpu(), batch["answers"].flatten().cpu(), logits.flatten().cpu() > 0)
        error, targets = position_errors(readout, batch), position_targets(batch)
        shift = (targets - targets[..., :1, :]).norm(dim=-1)
        moved = (shift > MOVED)[:, :, 1:] & error[:, :, 1:].isfinite()
        errors["found"].append(error[:, :, 1:, 0].flatten())
        errors["effector"].append(error[:, :, 0, -1].flatten())
        errors["moved"].append(error[:, :, 1:][moved])
        errors["moved_still"].append(shift[:, :, 1:][moved])
    model.train(was)
    return counts.summary() | {name: torch.cat(e).nanmedian().item() for name, e in errors.items()}
