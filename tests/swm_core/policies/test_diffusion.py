# SPDX-License-Identifier: Apache-2.0
"""The diffusion policy: its noise, its samples, what it is told and whether it listens, and its files."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from swm_core.errors import ConfigError, ModelError
from swm_core.models.folders import CONFIG
from swm_core.models.grounded import GroundedModel
from swm_core.planning.controller import Controller
from swm_core.planning.gradient import GradientConfig
from swm_core.planning.mppi import MppiConfig
from swm_core.planning.settings import PlannerConfig
from swm_core.policies.base import Observed
from swm_core.policies.diffusion import (
    DiffusionPolicy,
    diffusion_loss,
    sample_chunks,
    save_policy,
    training_schedule,
)
from swm_core.policies.features import Seen, observe, with_questions
from swm_core.policies.network import PolicyConfig, PolicyNetwork
from swm_core.tasks.library import build_task, push, reach, separate, subgoals
from swm_core.tasks.task import WeightedQuestion

LIMIT = 0.03
BLOCKS = ("red moon", "blue cube", "green star", "yellow pentagon")
HEADINGS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def history(model: GroundedModel, frames: list[np.ndarray]) -> list[Observed]:
    return [Observed(model.observe(frames[0]), 4), Observed(model.observe(frames[1]))]


@pytest.fixture
def seen(model: GroundedModel, history: list[Observed]) -> Seen:
    return observe(model, history, subgoals(push("red moon", "green star"))[0].questions, 2)


def test_noise_grows_from_almost_none_to_almost_all(policy_config: PolicyConfig) -> None:
    left = training_schedule(policy_config).alphas_cumprod
    assert left.shape == (100,)
    assert (left.diff() < 0).all()
    assert left[0] > 0.99
    assert left[-1] < 0.01


def test_features_say_what_is_where_and_since_when(
    model: GroundedModel, history: list[Observed], seen: Seen, frames: list[np.ndarray]
) -> None:
    questions = [q.text for q in subgoals(push("red moon", "green star"))[0].questions]
    assert seen.positions.shape == (1, 2, 2, 3, 3)
    assert seen.ages.tolist() == [[4.0, 0.0]]
    assert seen.things.shape == (1, len(model.network.config.names), 3)
    assert seen.present.shape == seen.things.shape[:2]
    for place, observed in enumerate(history):
        torch.testing.assert_close(seen.positions[0, :, place], model.read(observed.frame, questions).now)
    assert not torch.equal(seen.positions[:, :, 0], seen.positions[:, :, 1])
    alone = observe(model, history[1:], subgoals(push("red moon", "green star"))[0].questions, 2)
    torch.testing.assert_close(alone.positions[:, :, 0], alone.positions[:, :, 1])
    assert alone.ages.tolist() == [[0.0, 0.0]]


def test_wanted_answers_are_told(model: GroundedModel, history: list[Observed]) -> None:
    assert observe(model, history, subgoals(separate("red moon", "blue cube"))[0].questions, 2).wanted.tolist() == [
        [1, -1]
    ]


def test_room_for_further_questions_changes_nothing(policy_network: PolicyNetwork, seen: Seen) -> None:
    wider = with_questions(seen, 5)
    assert wider.wanted.tolist() == [[1, 1, 0, 0, 0]]
    torch.testing.assert_close(policy_network.see(wider), policy_network.see(seen))


@pytest.mark.parametrize("count", [1, 5])
def test_samples_have_their_shape_and_stay_inside(
    policy_network: PolicyNetwork, model: GroundedModel, history: list[Observed], count: int
) -> None:
    policy, questions = DiffusionPolicy(policy_network, model), subgoals(reach("red moon"))[0].questions
    chunks = policy.propose(history, questions, count, generator())
    assert chunks.shape == (count, 16, 2)
    assert chunks.dtype == torch.float32
    assert float(chunks.abs().max()) <= LIMIT
    assert float(chunks.std()) > 0.001


def test_a_seed_decides_the_samples(
    policy_network: PolicyNetwork, model: GroundedModel, history: list[Observed]
) -> None:
    policy, questions = DiffusionPolicy(policy_network, model), subgoals(reach("red moon"))[0].questions
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(drawn))
        drawn.append(policy.propose(history, questions, 3, generator(seed)))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0][0], drawn[0][1])


def goals(model: GroundedModel, history: list[Observed]) -> tuple[Seen, torch.Tensor]:
    """One moment and four goals; the expert of each goes another way."""
    each = [observe(model, history, subgoals(reach(block))[0].questions, 2) for block in BLOCKS]
    seen = Seen(**{name: torch.cat([one.tensors()[name] for one in each]) for name in each[0].tensors()})
    return seen, (0.02 * HEADINGS)[:, None].expand(-1, 4, -1)


def train(network: PolicyNetwork, seen: Seen, chunks: torch.Tensor, steps: int = 200) -> None:
    network.train()
    optimiser, random = torch.optim.AdamW(network.parameters(), 4e-3), generator(3)
    rows = torch.arange(len(chunks)).repeat(8)
    for _ in range(steps):
        noise = torch.randn(chunks[rows].shape, generator=random)
        levels = torch.randint(100, (len(rows),), generator=random)
        loss = diffusion_loss(network, seen[rows], chunks[rows], noise, levels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval().requires_grad_(False)


def test_it_learns_to_go_where_the_goal_says(
    policy_config: PolicyConfig, model: GroundedModel, history: list[Observed]
) -> None:
    torch.manual_seed(0)
    network = PolicyNetwork(replace(policy_config, horizon=4))
    train(network, *goals(model, history))
    policy = DiffusionPolicy(network, model)
    for block, heading in zip(BLOCKS, HEADINGS, strict=True):
        chunks = policy.propose(history, subgoals(reach(block))[0].questions, 6, generator())
        assert float(chunks.mean((0, 1)) @ heading) == pytest.approx(0.02, abs=0.005)
        assert float((chunks.mean(1) @ heading).min()) > 0.012


def test_all_that_is_seen_counts(policy_network: PolicyNetwork, seen: Seen) -> None:
    told = Seen(**{name: value.clone().requires_grad_() for name, value in seen.tensors().items()})
    (policy_network.see(told) * torch.randn(32, generator=generator())).sum().backward()
    for name, value in told.tensors().items():
        assert float(value.grad.abs().max()) > 1e-6, name
    assert (told.positions.grad.abs().amax((0, 1, 4)) > 1e-6).all()  # of both frames and all three things


class Knowing:
    """Predicts exactly, because it knows the clean actions."""

    def __init__(self, config: PolicyConfig, clean: torch.Tensor) -> None:
        self.config, self.clean, self.action_scale = config, clean, torch.tensor(config.action_scale)

    def see(self, seen: Seen) -> torch.Tensor:
        return torch.zeros(1, 1)

    def __call__(self, noisy: torch.Tensor, steps: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        left = training_schedule(self.config).alphas_cumprod[steps][:, None, None]
        noise = (noisy - left.sqrt() * self.clean) / (1 - left).sqrt()
        velocity = left.sqrt() * noise - (1 - left).sqrt() * self.clean
        return {"epsilon": noise, "sample": self.clean.expand_as(noisy), "v_prediction": velocity}[
            self.config.prediction
        ]


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
def test_exact_predictions_have_no_loss_and_lead_to_the_clean_actions(
    policy_config: PolicyConfig, seen: Seen, prediction: str
) -> None:
    clean = torch.rand(1, 16, 2, generator=generator()) * 2 - 1
    knowing = Knowing(replace(policy_config, prediction=prediction), clean)
    noise, levels = torch.randn(4, 16, 2, generator=generator()), torch.tensor([0, 30, 60, 99])
    assert float(diffusion_loss(knowing, seen, clean.expand(4, -1, -1) * LIMIT, noise, levels)) < 1e-4
    torch.testing.assert_close(
        sample_chunks(knowing, seen, 2, generator()), (clean * LIMIT).expand(1, 2, -1, -1), atol=1e-4, rtol=0
    )


def test_what_is_saved_is_what_is_loaded(
    policy_network: PolicyNetwork, model: GroundedModel, history: list[Observed], tmp_path: Path
) -> None:
    save_policy(tmp_path, policy_network, {"epoch": 3})
    loaded = DiffusionPolicy.load(tmp_path, model, "0123")
    questions = subgoals(push("red moon", "blue cube"))[0].questions
    wanted = DiffusionPolicy(policy_network, model).propose(history, questions, 2, generator())
    assert torch.equal(loaded.propose(history, questions, 2, generator()), wanted)
    assert loaded.network.config == policy_network.config
    assert not any(p.requires_grad for p in loaded.network.parameters())


def test_features_of_another_world_model_are_refused(
    policy_network: PolicyNetwork, model: GroundedModel, tmp_path: Path
) -> None:
    save_policy(tmp_path, policy_network)
    with pytest.raises(ModelError, match=r"world model 0123, the one in use is 9999.*train a policy"):
        DiffusionPolicy.load(tmp_path, model, "9999")


def test_damaged_policies_are_refused(policy_network: PolicyNetwork, model: GroundedModel, tmp_path: Path) -> None:
    save_policy(tmp_path, policy_network)
    data = json.loads((tmp_path / CONFIG).read_text())
    for change, said in (({"layers": 3}, "another architecture"), ({"layers": 10**6}, "does not describe")):
        (tmp_path / CONFIG).write_text(json.dumps(data | {"model": data["model"] | change}))
        with pytest.raises(ModelError, match=said):
            DiffusionPolicy.load(tmp_path, model, "0123")


@pytest.mark.parametrize(
    "wrong",
    [
        {"prediction": "score"},
        {"inference_steps": 101},
        {"heads": 5},
        {"horizon": 0},
        {"action_scale": (0.03, 0.0)},
        {"action_scale": ()},
    ],
)
def test_settings_outside_their_range_are_refused(policy_config: PolicyConfig, wrong: dict) -> None:
    with pytest.raises(ConfigError):
        replace(policy_config, **wrong)


@pytest.fixture
def make(policy_network: PolicyNetwork, model: GroundedModel) -> Callable[..., Controller]:
    def build(**settings: object) -> Controller:
        config = PlannerConfig(
            gradient=GradientConfig(iterations=1), mppi=MppiConfig(iterations=1, samples=4), **settings
        )
        policy = DiffusionPolicy(policy_network, model)
        return Controller(model, (-LIMIT,) * 2, (LIMIT,) * 2, ("dx", "dy"), config, policy=policy)

    return build


@pytest.mark.parametrize("planner", ["gradient", "mppi", "policy"])
def test_the_controller_plans_with_it(make: Callable[..., Controller], frames: list[np.ndarray], planner: str) -> None:
    controller = make(planner=planner, proposals=("policy", "previous"))
    controller.start(build_task(push("red moon", "green star")))
    for image in frames:
        plan = controller.plan(image)
    assert plan.actions.shape == (16, 2)
    assert np.isfinite(plan.actions).all()
    assert float(np.abs(plan.actions).max()) <= np.float32(LIMIT)


def test_alone_it_is_executed_as_it_is(
    make: Callable[..., Controller], model: GroundedModel, policy_network: PolicyNetwork, frames: list[np.ndarray]
) -> None:
    controller = make(planner="policy")
    controller.start(build_task(reach("red moon")))
    plans = [controller.plan(image, executed=2).actions for image in frames[:2]]
    seen = [model.observe(image) for image in frames[:2]]
    random, questions = generator(), build_task(reach("red moon")).subgoals[0].questions
    policy = DiffusionPolicy(policy_network, model)
    first = policy.propose([Observed(seen[0])], questions, 1, random)[0]
    second = policy.propose([Observed(seen[0], 2), Observed(seen[1])], questions, 1, random)[0]
    np.testing.assert_array_equal(plans, torch.stack([first, second]).numpy())


def test_an_unknown_number_of_questions_is_read(
    policy_network: PolicyNetwork, model: GroundedModel, history: list[Observed]
) -> None:
    questions = (WeightedQuestion("Is the red moon touching the blue cube?"),)
    chunks = DiffusionPolicy(policy_network, model).propose(history, questions, 1, generator())
    assert chunks.isfinite().all()
