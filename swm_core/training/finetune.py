# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning of a PaliGemma to a world model (paper Sec. 3.2, A.1), on accelerate: all weights, or adapters."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from swm_core.data.questioning import QuestionCatalogue
from swm_core.data.saqa import HORIZON, Sample, SaqaDataset, SaqaSettings
from swm_core.data.trajectories import load_split
from swm_core.environment import EnvironmentSpec, load_environment
from swm_core.errors import ConfigError
from swm_core.models.lora import add_lora, lora_parameters
from swm_core.models.paligemma import PaliGemmaWorldModel
from swm_core.models.paligemma_files import save_paligemma
from swm_core.models.paligemma_settings import PaliGemmaSettings
from swm_core.training.checkpoint import check_settings, write_settings
from swm_core.training.curves import append_row
from swm_core.training.finetune_config import FinetuneConfig
from swm_core.training.finetune_processes import start, whole
from swm_core.training.finetune_state import load_state, moments, save_state
from swm_core.training.measures import AnswerCounts

INPUTS = ("pixels", "ids", "seen", "actions", "horizons")


def answer_token_loss(logits: Tensor, answers: Tensor, weights: Tensor, yes: int, no: int) -> Tensor:
    """Cross-entropy of the token that begins the answer, over the whole vocabulary (paper Sec. 3.2).

    Args:
        logits: (..., V).
        answers: (...,) 0 no, 1 yes, -1 none.
        weights: (...,) of the answers.
        yes: token of yes.
        no: token of no.

    Returns:
        scalar, the weighted sum; answers that are -1 count nothing.
    """
    known = answers >= 0
    wanted = torch.where(answers[known] == 1, yes, no)
    loss = functional.cross_entropy(logits[known].float(), wanted, reduction="none")
    return (loss * weights[known]).sum()


def prepare(model: PaliGemmaWorldModel, config: FinetuneConfig) -> dict[str, Tensor]:
    """Make a model ready to be trained: adapters or all weights, checkpointing of activations.

    Returns:
        The parameters that are trained, by name.

    Raises:
        ConfigError: adapters on a model that has some or whose checkpoint was changed, or all weights of a model with
            adapters.
    """
    if model.lora is not None or (config.lora is not None and model.base is None):
        raise ConfigError("start from a bare checkpoint, or train all weights of a model without adapters")
    model.requires_grad_(config.lora is None)
    if config.lora is not None:
        add_lora(model.vlm, config.lora)
        model.lora = config.lora
        for value in (model.project.weight, *lora_parameters(model).values()):
            value.requires_grad_(True)
    else:
        model.base = None  # from now on the checkpoint is part of the model
    if config.gradient_checkpointing:
        model.vlm.gradient_checkpointing_enable({"use_reentrant": False})
    return trained_parameters(model)


def trained_parameters(model: nn.Module) -> dict[str, Tensor]:
    """Parameters that are trained, by name."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def settings_for(spec: EnvironmentSpec, layout: str) -> PaliGemmaSettings:
    """Settings of a world model for an environment."""
    return PaliGemmaSettings(spec.largest_action, (spec.camera.height, spec.camera.width, 3), HORIZON, layout)


class Collate:
    """Samples to the model's inputs and the wanted answers.

    Args:
        model: whose image processor and tokenizer are used.
    """

    def __init__(self, model: PaliGemmaWorldModel) -> None:
        self.pixels, self.tokens = model.pixels, model.tokens

    def __call__(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """B samples of K questions to `INPUTS`, and "answers", "weights" (B, K, Z) and "types" (B, K)."""
        words = self.tokens.encode([text for sample in samples for text in sample.texts])
        fields = ("actions", "horizons", "answers", "weights", "types")
        stacked = {name: torch.from_numpy(np.stack([getattr(s, name) for s in samples])) for name in fields}
        shape = (len(samples), -1, words.ids.shape[1])
        return stacked | {
            "pixels": self.pixels([sample.image for sample in samples]),
            "ids": words.ids.view(shape),
            "seen": words.seen.view(shape),
        }


class Finetuner:
    """One run.

    Args:
        config: its settings.

    Raises:
        DataError: no training or validation episodes, or damaged ones.
        ModelError: a checkpoint that cannot be had or used.
        ConfigError: settings that do not fit each other or the number of processes.
    """

    def __init__(self, config: FinetuneConfig) -> None:
        self.config, self.accelerator = config, start(config)
        self.accumulate = self.accelerator.gradient_accumulation_steps
        torch.manual_seed(config.seed)
        entry = load_environment(config.environment)
        self.training, self.validation = load_split(config.data, config.validation_every, entry.spec)
        self.catalogue = QuestionCatalogue(entry.questions, None, entry.effector_words, entry.names)
        settings = settings_for(self.training.spec, config.layout)
        self.model = PaliGemmaWorldModel.load(config.base, config.revision or None, settings)
        self.trained = prepare(self.model, config)
        self.collate, self.out = Collate(self.model), Path(config.out)

    def rate(self, step: int) -> float:
        """Learning rate at a step: linear decay to 0 (paper A.1)."""
        return self.config.rate * (1.0 - step / self.config.steps)

    def training_batches(self, done: int) -> DataLoader:
        """Batches after so many steps; each process takes every n-th."""
        config = self.config
        per_step = config.states * self.accumulate * self.accelerator.num_processes
        dataset = SaqaDataset(self.training, self.catalogue, config.saqa, config.seed, (config.steps + 1) * per_step)
        return self.loader(Subset(dataset, range(done * per_step, len(dataset))), config.workers, drop_last=True)

    def validation_batches(self) -> DataLoader:
        """The same states each time, none of them trained on; each process takes every n-th batch."""
        plain = SaqaSettings(questions=self.config.saqa.questions, locate_share=0.0)
        dataset = SaqaDataset(self.validation, self.catalogue, plain, 1_000_003, self.config.validation_samples)
        return self.loader(dataset, 0, drop_last=False)

    def loader(self, dataset: Dataset, workers: int, drop_last: bool) -> DataLoader:
        """A process's batches of a data set, on its device."""
        plain = DataLoader(
            dataset, self.config.states, collate_fn=self.collate, num_workers=workers, drop_last=drop_last
        )
        loader: DataLoader = self.accelerator.prepare_data_loader(plain)
        return loader

    def run(self) -> dict[str, float]:
        """Train to the end, from the last checkpoint if there is one.

        Returns:
            The last validation's accuracies.

        Raises:
            ConfigError: the folder holds a run with other settings.
        """
        config, accelerator = self.config, self.accelerator
        check_settings(self.out, asdict(config))
        optimiser = torch.optim.AdamW(self.trained.values(), config.rate, weight_decay=config.decay)
        model, prepared = accelerator.prepare(self.model, optimiser)
        self.trained = trained_parameters(self.model)  # FSDP replaced them by shards
        progress = load_state(self.out, self.trained, optimiser) or {"step": 0, "best": 0.0}
        done, best, measures = int(progress["step"]), progress["best"], dict[str, float]()
        if accelerator.is_main_process:
            write_settings(self.out, asdict(config))
        batches, validation = iter(self.training_batches(done)), self.validation_batches()
        quiet, pause = not accelerator.is_main_process, 0.1 if sys.stderr.isatty() else 30.0
        for step in tqdm(range(done + 1, config.steps + 1), unit="step", disable=quiet, mininterval=pause):
            for group in optimiser.param_groups:
                group["lr"] = self.rate(step - 1)
            model.train()
            loss = self.learn(model, prepared, [next(batches) for _ in range(self.accumulate)])
            self.log("training.csv", {"step": step, "answer": loss, "rate": self.rate(step - 1)})
            if step % config.validate_every == 0 or step == config.steps:
                measures = self.validate(validation)
                best = self.keep(step, measures, best, optimiser)
        accelerator.wait_for_everyone()  # the first process has written its files
        del model, prepared  # what holds on to the process group must go before it, or gloo may wait for ever
        accelerator.free_memory()
        accelerator.end_training()
        return measures

    def learn(self, model: nn.Module, optimiser: torch.optim.Optimizer, batches: list[dict[str, Tensor]]) -> float:
        """One optimiser step on a process's batches; returns the mean loss over the answers of all processes."""
        accelerator, summed = self.accelerator, torch.zeros((), device=self.accelerator.device)
        weight = accelerator.reduce(sum((batch["weights"].sum() for batch in batches), summed), "sum").clamp(min=1e-6)
        # accelerate divides by the batches of a process, and gradients are averaged over processes: undone here, so
        # that the step is the same however the batch is split
        scale = self.accumulate * accelerator.num_processes / weight
        for batch in batches:
            with accelerator.accumulate(model):
                loss = self.loss(model(*(batch[name] for name in INPUTS)), batch)
                accelerator.backward(loss * scale)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(self.trained.values(), self.config.clip)
                optimiser.step()
                optimiser.zero_grad()
            summed += loss.detach()
        return float(accelerator.reduce(summed, "sum") / weight)

    def loss(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Summed loss of a batch."""
        tokens = self.model.tokens
        return answer_token_loss(logits, batch["answers"], batch["weights"], tokens.yes, tokens.no)

    @torch.no_grad()
    def validate(self, batches: DataLoader) -> dict[str, float]:
        """Accuracy per question type and answer, and "balanced", the same on all processes."""
        counts, tokens = AnswerCounts(self.catalogue.type_names), self.model.tokens
        self.model.eval()
        for batch in batches:
            logits = self.model(*(batch[name] for name in INPUTS))
            yes = logits[..., tokens.yes] > logits[..., tokens.no]
            found = (batch["types"][..., None].expand_as(yes), batch["answers"], yes)
            # without the samples that fill up the last round of the processes
            counts.add(*(part.flatten().cpu() for part in self.accelerator.gather_for_metrics(found)))
        return counts.summary()

    def keep(self, step: int, measures: dict[str, float], best: float, optimiser: torch.optim.Optimizer) -> float:
        """Log a validation, write the state and, if it is the best so far, the model; returns the best score."""
        self.log("validation.csv", {"step": step, **measures})
        main, better = self.accelerator.is_main_process, measures["balanced"] >= best
        best = measures["balanced"] if better else best
        trained = whole(self.trained, main)
        kept = whole(moments(self.trained, optimiser), main)
        if main:
            notes = {"step": step, "measures": measures, "config": asdict(self.config)}
            for name in ("best", "last") if better else ("last",):
                save_paligemma(self.out / name, self.model, notes, trained)
            save_state(self.out, trained, kept, {"step": step, "best": best})
        return best

    def log(self, name: str, row: dict[str, float]) -> None:
        """Append a row to a CSV file of the run."""
        if self.accelerator.is_main_process:
            append_row(self.out / name, row)
