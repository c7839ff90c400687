# SPDX-License-Identifier: Apache-2.0
"""Training of a diffusion policy on demonstrations: resumable, every step a function of the seed and its number."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity
from tqdm import tqdm

from swm_core.data.trajectories import held_out
from swm_core.environment import load_environment
from swm_core.errors import DataError
from swm_core.models.grounded import GroundedModel
from swm_core.models.shipped import shipped_model
from swm_core.models.weights import weights_hash
from swm_core.policies.demonstrations import Demonstration, expert_episodes, load_demonstrations, of_task
from swm_core.policies.diffusion import diffusion_loss, sample_chunks, save_policy
from swm_core.policies.features import Seen
from swm_core.policies.moments import Batch, Moments
from swm_core.policies.network import PolicyConfig, PolicyNetwork
from swm_core.processes import keep_freed_memory
from swm_core.training.checkpoint import check_settings, load_checkpoint, save_checkpoint, write_settings
from swm_core.training.curves import append_row, read_columns
from swm_core.training.policy_config import PolicyTrainingConfig
from swm_core.training.rates import warm_cosine

UNIT = 10.0  # positions are in 0.1 m
SOON = 8  # actions whose sum is compared in validation
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
STILL = 0.3  # of the largest action; an expert that moves less in `SOON` actions has no direction to compare with


class Averaged(nn.Module):
    """A network and the running average of its weights, which is what is used.

    Args:
        network: what is trained; its parameters come first.
        config: what the average is built from.
    """

    def __init__(self, network: PolicyNetwork, config: PolicyConfig) -> None:
        super().__init__()
        self.network, self.average = network, PolicyNetwork(config).requires_grad_(False)
        self.average.load_state_dict(network.state_dict())
        self.average.eval()

    @torch.no_grad()
    def follow(self, keep: float) -> None:
        """Move the average a step towards the network."""
        for mean, value in zip(self.average.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(value, 1 - keep)


def gather(config: PolicyTrainingConfig) -> tuple[Moments, Moments, PolicyConfig]:
    """Moments for training and for validation, and the policy's configuration.

    Raises:
        DataError: no demonstrations for one of the two or of the task, or damaged ones.
        GoalError: the settings name a task that cannot be understood.
        ModelError: no such world model.
    """
    entry = load_environment(config.environment)
    folder = Path(config.model) if config.model else shipped_model(config.environment)
    model, world = GroundedModel.load(folder), weights_hash(folder)
    model.network.to(DEVICE)
    files = expert_episodes([Path(name) for name in config.data], config.behaviours)
    files = of_task(files, config.task, entry) if config.task else files
    files = files[: config.demonstrations or None]
    held = [held_out(file, config.validation_every) for file in files]
    if all(held) or not any(held):
        raise DataError(f"of {len(files)} demonstrations {sum(held)} are for validation; both kinds are needed")
    found = load_demonstrations(files, model, world, entry, Path(config.cache), config.mirror, progress=True)
    flags = held * (2 if config.mirror else 1)
    sees, sizes = model.network.config, asdict(config.sizes)
    policy = PolicyConfig(world, sees.width, entry.spec.largest_action, gripper=sees.gripper, **sizes)

    def moments(kept: list[Demonstration]) -> Moments:
        limit = config.most_disturbed * torch.tensor(entry.spec.largest_action)
        return Moments(kept, policy.horizon, policy.frames, config.padding, config.longest_age, limit)

    training = moments([one for one, out in zip(found, flags, strict=True) if not out])
    return training, moments([one for one, out in zip(found, flags, strict=True) if out]), policy


class PolicyTrainer:
    """One run.

    Args:
        config: its settings.
        training: moments to learn from.
        validation: moments of other layouts.
        policy: configuration of the policy.
    """

    def __init__(
        self, config: PolicyTrainingConfig, training: Moments, validation: Moments, policy: PolicyConfig
    ) -> None:
        self.config, self.training, self.validation, self.out = config, training, validation, Path(config.out)
        torch.manual_seed(config.seed)
        keep_freed_memory()
        self.state = Averaged(PolicyNetwork(policy), policy).to(DEVICE)
        self.optimiser = torch.optim.AdamW(self.state.network.parameters(), config.rate, weight_decay=config.decay)
        sides = 2 if config.mirror else 1  # the mirrored moments are other views of the same, not more of them
        self.per_epoch = max(1, len(training) // sides // config.batch)
        self.steps = config.epochs * self.per_epoch

    def rate(self, step: int) -> float:
        """Learning rate at a step."""
        return warm_cosine(step, self.config.rate, self.config.warmup, self.steps)

    def run(self) -> dict[str, float]:
        """Train to the end, from the last checkpoint if there is one.

        Returns:
            The last validation's measures.

        Raises:
            ConfigError: the folder holds a run with other settings or of another world model.
        """
        config = self.config
        settings = asdict(config) | {"world": self.state.average.config.world}
        check_settings(self.out, settings)
        progress = load_checkpoint(self.out, self.state, self.optimiser) or {"step": 0, "best": math.inf}
        write_settings(self.out, settings)
        done, best, measures = int(progress["step"]), progress["best"], dict[str, float]()
        pause, total = 0.1 if sys.stderr.isatty() else 30.0, 0.0
        bar = tqdm(range(done + 1, self.steps + 1), initial=done, total=self.steps, unit="step", mininterval=pause)
        for step in bar:
            total += self.learn(step - 1)
            epoch, rest = divmod(step, self.per_epoch)
            if rest:
                continue
            append_row(self.out / "training.csv", {"epoch": epoch, "step": step, "loss": total / self.per_epoch})
            bar.set_postfix(epoch=epoch, loss=f"{total / self.per_epoch:.3f}", refresh=False)
            total = 0.0
            if epoch % config.validate_every == 0 or epoch == config.epochs:
                measures = self.validate()
                best = self.keep(epoch, step, measures, best)
        return measures

    def learn(self, step: int) -> float:
        """One batch forward and back; returns the loss."""
        config, network = self.config, self.state.network.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(step)
        epoch, place = divmod(step, self.per_epoch)
        order = torch.randperm(len(self.training), generator=seeded(config.seed, epoch, 0))
        chosen = order[place * config.batch : (place + 1) * config.batch]
        random = seeded(config.seed, step, 1)
        batch = self.training.batch(chosen, random, UNIT * config.position_noise)
        noise = torch.randn(batch.chunks.shape, generator=random)
        levels = torch.randint(network.config.diffusion_steps, (len(chosen),), generator=random)
        loss = diffusion_loss(network, *moved(batch, noise, levels))
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        self.optimiser.step()
        self.state.follow(min(config.average, (step + 1) / (step + 10)))  # the first weights are soon forgotten
        return float(loss.detach())

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """How well the averaged network does on other layouts.

        Returns:
            "loss", of the noise's prediction; "direction", the mean cosine between what a proposal and what the expert
            do in the next eight actions, where the expert moves; "rest", how far the proposal goes where he does not,
            as a share of the farthest.
        """
        network, size = self.state.average, self.config.batch
        random = seeded(self.config.seed, 0, 2)
        sums, counts = torch.zeros(3), torch.zeros(3)
        for rows in torch.arange(len(self.validation)).split(size):
            batch = self.validation.batch(rows, random)
            noise = torch.randn(batch.chunks.shape, generator=random)
            levels = torch.randint(network.config.diffusion_steps, (len(rows),), generator=random)
            loss = diffusion_loss(network, *moved(batch, noise, levels)).cpu()
            drawn = sample_chunks(network, batch.seen.to(DEVICE), 1, random)[:, 0].cpu()
            ours, theirs = (self._sum(chunks) for chunks in (drawn, batch.chunks))
            moves = theirs.norm(dim=-1) > STILL
            sums += torch.stack(
                [loss * len(rows), cosine_similarity(ours, theirs)[moves].sum(), ours[~moves].norm(dim=-1).sum() / SOON]
            )
            counts += torch.stack([torch.tensor(len(rows)), moves.sum(), (~moves).sum()])
        means = (sums / counts.clamp(min=1)).tolist()
        return dict(zip(("loss", "direction", "rest"), means, strict=True))

    def _sum(self, chunks: Tensor) -> Tensor:
        """(B, A) sum of the next actions of (B, H, A) chunks, in units of the largest action."""
        return (chunks / self.state.average.action_scale.cpu())[:, :SOON].sum(1)

    def keep(self, epoch: int, step: int, measures: dict[str, float], best: float) -> float:
        """Log a validation, write the checkpoint and, if it is the best so far, the policy; returns the best loss."""
        append_row(self.out / "validation.csv", {"epoch": epoch, "step": step, **measures})
        notes = {"epoch": epoch, "measures": measures, "config": asdict(self.config), "moments": len(self.training)}
        if measures["loss"] <= best:
            best = measures["loss"]
            save_policy(self.out / "best", self.state.average, notes)
        save_policy(self.out / "last", self.state.average, notes)
        save_checkpoint(self.out, self.state, self.optimiser, {"step": step, "best": best})
        draw_policy_curves(self.out)
        said = ", ".join(f"{name} {value:.3f}" for name, value in measures.items())
        tqdm.write(f"epoch {epoch}: validation {said}")
        return best


def moved(batch: Batch, noise: Tensor, levels: Tensor) -> tuple[Seen, Tensor, Tensor, Tensor]:
    """Arguments of `diffusion_loss`, on the device that computes."""
    return batch.seen.to(DEVICE), batch.chunks.to(DEVICE), noise.to(DEVICE), levels.to(DEVICE)


def seeded(seed: int, number: int, purpose: int) -> torch.Generator:
    """Random numbers of one step or epoch for one purpose."""
    return torch.Generator().manual_seed((seed * 8 + purpose) * 1_000_003 + number)


def draw_policy_curves(folder: Path) -> Path:
    """Draw the losses and the agreement with the expert of a run; returns `curves.png` in its folder."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    losses, agreement = figure.subplots(1, 2)
    training, validation = (read_columns(folder / f"{name}.csv") for name in ("training", "validation"))
    losses.plot(training.get("epoch", []), training.get("loss", []), label="training")
    losses.plot(validation.get("epoch", []), validation.get("loss", []), label="other layouts")
    losses.set(title="error of the predicted noise", xlabel="epoch", yscale="log")
    for name in ("direction", "rest"):
        agreement.plot(validation.get("epoch", []), validation.get(name, []), label=name)
    agreement.set(title="agreement with the expert, other layouts", xlabel="epoch", ylim=(-0.2, 1))
    for axes in (losses, agreement):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    path = folder / "curves.png"
    figure.savefig(path, dpi=110)
    return path
