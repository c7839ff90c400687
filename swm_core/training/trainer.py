# SPDX-License-Identifier: Apache-2.0
"""The training loop, on accelerate: one process or many, resumable, with curves."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from swm_core.data.batches import collate_samples
from swm_core.data.questioning import QuestionCatalogue
from swm_core.data.saqa import SaqaDataset, SaqaSettings
from swm_core.data.trajectories import load_split
from swm_core.environment import EnvironmentSpec, action_axes, load_environment
from swm_core.models.compact import CompactWorldModel
from swm_core.models.compact_config import CompactConfig
from swm_core.models.grounding import single
from swm_core.models.precision import bfloat16_pays
from swm_core.models.weights import load_model, save_model
from swm_core.processes import keep_freed_memory
from swm_core.training.checkpoint import check_settings, load_checkpoint, save_checkpoint, write_settings
from swm_core.training.config import ModelSettings, TrainingConfig
from swm_core.training.curves import append_row, draw_curves
from swm_core.training.events import EventFile
from swm_core.training.losses import answer_loss, grip_loss, grounding_loss, place_loss, position_loss, word_loss
from swm_core.training.measures import to_inputs, validate
from swm_core.training.rates import warm_cosine

LOSSES = ("answer", "position", "grounding", "word", "place", "grip")


def compact_config(spec: EnvironmentSpec, catalogue: QuestionCatalogue, sizes: ModelSettings) -> CompactConfig:
    """Configuration of a compact model for an environment and its questions."""
    low, high = spec.workspace_low, spec.workspace_high
    return CompactConfig(
        vocabulary=catalogue.words,
        names=catalogue.names,
        effector_words=catalogue.effector_words,
        camera=spec.camera,
        action_scale=spec.largest_action,
        action_axes=action_axes(spec.action_names),
        origin=((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2),
        table_height=spec.table_height,
        gripper=spec.fingers > 0,
        **asdict(sizes),
    )


class Trainer:
    """One run.

    Args:
        config: its settings.

    Raises:
        DataError: no training or validation episodes, or damaged ones.
        ModelError: a model to start from, or a checkpoint, that does not fit.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        keep_freed_memory()
        half = config.precision == "bf16" or (config.precision == "auto" and bfloat16_pays())
        self.accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            mixed_precision="bf16" if half else "no",
            gradient_accumulation_steps=config.accumulate,
        )
        self.bfloat16 = half
        torch.manual_seed(config.seed)
        entry = load_environment(config.environment)
        self.training, self.validation = load_split(config.data, config.validation_every, entry.spec, config.behaviours)
        if config.start_from:
            self.model = load_model(Path(config.start_from)).requires_grad_(True)
        else:
            sizes = compact_config(self.training.spec, QuestionCatalogue.of(entry), config.model)
            self.model = CompactWorldModel(sizes)
        self.catalogue = QuestionCatalogue.of(entry, self.model.config.vocabulary)
        self.model.readout.requires_grad_(False)  # no part of the layout that is trained
        self.model.to(self.accelerator.device)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), config.rate, (0.9, 0.98), weight_decay=config.decay)
        self.out = Path(config.out)
        self.events: EventFile | None = None  # of the main process, while it runs

    def rate(self, step: int) -> float:
        """Learning rate at a step."""
        return warm_cosine(step, self.config.rate, self.config.warmup, self.config.steps)

    def loader(self, dataset: SaqaDataset, first: int) -> DataLoader:
        """Batches from sample `first` on; each process takes every n-th batch."""
        return DataLoader(
            Subset(dataset, range(first, len(dataset))),
            batch_size=self.config.batch,
            collate_fn=collate_samples,
            num_workers=self.config.workers,
            drop_last=True,
        )

    def validation_batches(self) -> DataLoader:
        """The same validation samples each time: no augmentation, their own seed."""
        plain = SaqaSettings(questions=self.config.saqa.questions, locate_share=self.config.saqa.locate_share)
        dataset = SaqaDataset(self.validation, self.catalogue, plain, 1_000_003, self.config.validation_samples)
        return DataLoader(dataset, batch_size=16, collate_fn=collate_samples, num_workers=self.config.workers)

    def run(self) -> dict[str, float]:
        """Train to the end, from the last checkpoint if there is one.

        Returns:
            The last validation's measures.

        Raises:
            ConfigError: the folder holds a run with other settings.
        """
        config, accelerator = self.config, self.accelerator
        check_settings(self.out, asdict(config))
        progress = load_checkpoint(self.out, self.model, self.optimiser) or {"step": 0, "best": 0.0}
        step, best, measures = int(progress["step"]), progress["best"], {}
        if accelerator.is_main_process:
            write_settings(self.out, asdict(config))
        self.events = EventFile(self.out, step) if accelerator.is_main_process else None
        per_step = config.batch * config.accumulate * accelerator.num_processes
        dataset = SaqaDataset(self.training, self.catalogue, config.saqa, config.seed, (config.steps + 1) * per_step)
        model, optimiser, loader = accelerator.prepare(
            self.model, self.optimiser, self.loader(dataset, step * per_step)
        )
        batches = iter(loader)
        bar = tqdm(
            total=config.steps,
            initial=step,
            unit="step",
            disable=not accelerator.is_main_process,
            mininterval=0.1 if sys.stderr.isatty() else 30.0,
        )
        started, first = time.monotonic(), step
        while step < config.steps:
            for group in optimiser.param_groups:
                group["lr"] = self.rate(step)
            losses = torch.zeros(len(LOSSES), device=accelerator.device)
            for _ in range(config.accumulate):
                with accelerator.accumulate(model):
                    losses += self.learn(model, optimiser, next(batches)) / config.accumulate
            step += 1
            bar.update()
            if step % 20 == 0:
                answered = (step - first) * per_step * config.saqa.questions * 4 / (time.monotonic() - started)
                row = dict(zip(LOSSES, losses.tolist(), strict=True))
                shown = {k: f"{v:.3f}" for k, v in row.items()} | {"answers/s": f"{answered:.0f}"}
                bar.set_postfix(shown, refresh=False)
                self.log("training.csv", {"step": step, **row, "rate": self.rate(step), "answers_per_s": answered})
            due = step % config.validate_every == 0 or step == config.steps
            if due and accelerator.is_main_process:  # other processes wait for it in the next step
                measures = validate(self.model, self.validation_batches(), self.catalogue.type_names, self.bfloat16)
                best = self.keep(step, measures, best)
        bar.close()
        if self.events is not None:
            self.events.close()
        return measures

    def learn(self, model: torch.nn.Module, optimiser: torch.optim.Optimizer, batch: dict) -> torch.Tensor:
        """One batch forward and back, and a step when the accumulation is full.

        Returns:
            (6,) the losses, in the order of `LOSSES`.
        """
        with self.accelerator.autocast():
            readout, seen = model(*to_inputs(batch))
        scene = seen.scene
        camera = self.training.spec.camera
        losses = (
            answer_loss(readout, batch),
            position_loss(readout, batch),
            grounding_loss(scene, batch, camera),
            word_loss(scene, self.model.names, batch, camera),
            place_loss(self.model.to_world(single(scene.places)), batch),
            grip_loss(seen.closed, batch),
        )
        # divided by the mean weight of all processes, whose gradients are averaged: two are one with twice the batch
        weights = self.accelerator.reduce(torch.stack([weight.float() for _, weight in losses]), "mean")
        parts = torch.stack([total for total, _ in losses]) / weights.clamp(min=1e-6)
        shares = [getattr(self.config, f"{name}_weight") for name in LOSSES]
        self.accelerator.backward((parts * parts.new_tensor(shares)).sum())
        if self.accelerator.sync_gradients:
            self.accelerator.clip_grad_norm_(model.parameters(), self.config.clip)
        optimiser.step()
        optimiser.zero_grad()
        return self.accelerator.reduce(parts.detach(), "mean")

    def keep(self, step: int, measures: dict[str, float], best: float) -> float:
        """Log a validation, write the checkpoint and, if it is the best so far, the model; returns the best score."""
        self.log("validation.csv", {"step": step, **measures})
        notes = {"step": step, "measures": measures, "config": asdict(self.config)}
        if measures["balanced"] >= best:
            best = measures["balanced"]
            save_model(self.out / "best", self.model, notes)
        save_model(self.out / "last", self.model, notes)
        save_checkpoint(self.out, self.model, self.optimiser, {"step": step, "best": best})
        draw_curves(self.out)
        places = " ".join(f"{k}={measures[k] * 1000:.1f}mm" for k in ("found", "effector", "moved", "moved_still"))
        tqdm.write(f"step {step}: balanced accuracy {measures['balanced']:.3f}, median errors {places}")
        return best

    def log(self, name: str, row: dict[str, float]) -> None:
        """Append a row to a CSV file of the run, and to its TensorBoard events."""
        if not self.accelerator.is_main_process:
            return
        append_row(self.out / name, row)
        if self.events is not None:
            self.events.add(Path(name).stem, row)
