# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning a PaliGemma: the loss is the paper's, training lowers it, runs resume, settings are checked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_paligemma import write_checkpoint

from swm_core.data.questioning import QuestionCatalogue
from swm_core.data.saqa import SaqaDataset, SaqaSettings
from swm_core.data.trajectories import Trajectories
from swm_core.errors import ConfigError, ModelError
from swm_core.models.lora import LoraSettings
from swm_core.models.paligemma import PaliGemmaWorldModel
from swm_core.training.checkpoint import CHECKPOINT, SETTINGS
from swm_core.training.curves import read_columns
from swm_core.training.finetune import INPUTS, Collate, Finetuner, answer_token_loss, prepare, settings_for
from swm_core.training.finetune_config import FinetuneConfig, load_finetune_config

LAYOUTS = ("causal_readout", "prefix_lm")
ADAPTERS = LoraSettings(rank=4, alpha=8)
PAPER = Path(__file__).parents[3] / "configs" / "langtable_paligemma_3b.yaml"


@pytest.fixture(scope="module")
def checkpoint(catalogue: QuestionCatalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("paligemma"), [*catalogue.words, "?"], layers=1, spread=0.1)


@pytest.fixture
def config(environment: str, folder: Path, checkpoint: Path, tmp_path: Path) -> FinetuneConfig:
    return FinetuneConfig(
        environment=environment,
        data=(str(folder),),
        out=str(tmp_path / "run"),
        base=str(checkpoint),
        layout="causal_readout",
        saqa=SaqaSettings(questions=2, locate_share=0.0),
        validation_every=5,
        validation_samples=4,
        steps=4,
        batch=16,
        states=1,
        rate=3e-3,
        validate_every=2,
        workers=0,
        precision="float32",
    )


def model_for(config: FinetuneConfig, data: Trajectories) -> PaliGemmaWorldModel:
    torch.manual_seed(0)
    return PaliGemmaWorldModel.load(config.base, settings=settings_for(data.spec, config.layout))


def one_batch(model: PaliGemmaWorldModel, data: Trajectories, catalogue: QuestionCatalogue) -> dict:
    dataset = SaqaDataset(data, catalogue, SaqaSettings(questions=3, locate_share=0.0), samples=2)
    return Collate(model)([dataset[0], dataset[1]])


def loss_of(model: PaliGemmaWorldModel, batch: dict) -> torch.Tensor:
    logits = model(*(batch[name] for name in INPUTS))
    return answer_token_loss(logits, batch["answers"], batch["weights"], model.tokens.yes, model.tokens.no)


def test_loss_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [5.0, 5.0, 5.0]])
    answers, weights = torch.tensor([1, 0, -1]), torch.tensor([1.0, 3.0, 7.0])
    first, second = -logits[0].log_softmax(0)[2], -logits[1].log_softmax(0)[0]  # yes is token 2, no is token 0
    expected = first + 3 * second
    torch.testing.assert_close(answer_token_loss(logits, answers, weights, yes=2, no=0), expected)
    assert answer_token_loss(logits, torch.full((3,), -1), weights, yes=2, no=0) == 0


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("lora", [None, ADAPTERS], ids=["full", "lora"])
def test_training_lowers_the_loss(
    config: FinetuneConfig, data: Trajectories, catalogue: QuestionCatalogue, layout: str, lora: LoraSettings | None
) -> None:
    config = replace(config, layout=layout, lora=lora)
    model = model_for(config, data)
    before = {name: value.clone() for name, value in model.named_parameters()}
    trained, batch = prepare(model, config), one_batch(model, data, catalogue)
    assert model.training is False
    model.train()
    optimiser = torch.optim.AdamW(trained.values(), 1e-2 if lora is None else 3e-2)
    losses = []
    for _ in range(12):
        loss = loss_of(model, batch)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    after = {name.replace(".base_layer", ""): value for name, value in model.named_parameters()}
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    if lora is None:
        assert moved == set(before)
    else:
        assert moved == {"project.weight"}  # of what was there before; the checkpoint itself stays
        assert sum(".lora_" in name for name in trained) == 14  # two for each of seven linear maps of the one layer
        assert len(trained) == 15


def test_checkpointing_changes_no_gradient(
    config: FinetuneConfig, data: Trajectories, catalogue: QuestionCatalogue
) -> None:
    gradients = []
    for again in (False, True):
        model = model_for(config, data)
        prepare(model, replace(config, gradient_checkpointing=again))
        model.train()
        loss_of(model, one_batch(model, data, catalogue)).backward()
        assert model.vlm.is_gradient_checkpointing is again
        gradients.append([p.grad for p in model.parameters()])
    for plain, again in zip(*gradients, strict=True):
        assert plain is not None
        torch.testing.assert_close(plain, again)


def test_a_run_writes_models_that_answer(config: FinetuneConfig, data: Trajectories) -> None:
    measures = Finetuner(config).run()
    assert 0 <= measures["balanced"] <= 1
    out = Path(config.out)
    rows = read_columns(out / "training.csv")
    assert rows["step"] == [1, 2, 3, 4]
    assert rows["rate"] == pytest.approx([3e-3 * share for share in (1, 0.75, 0.5, 0.25)])
    assert read_columns(out / "validation.csv")["step"] == [2, 4]
    model = PaliGemmaWorldModel.load(out / "last")
    assert model.base is None
    frame = data.episodes[0].frame(0)
    yes = model.answer(model.read(model.observe(frame), ["Is it near?"]), torch.zeros(1, 20, 2)).yes
    assert yes.shape == (1, 1, 21)
    assert json.loads((out / "last" / "config.json").read_text())["notes"]["step"] == 4


@pytest.mark.parametrize("lora", [None, ADAPTERS], ids=["full", "lora"])
def test_a_stopped_run_ends_like_an_unbroken_one(config: FinetuneConfig, lora: LoraSettings | None) -> None:
    config = replace(config, lora=lora, steps=2, validate_every=1, validation_samples=1)
    whole = Finetuner(config)
    whole.run()
    parted = replace(config, out=config.out + "_parted")
    first = Finetuner(parted)

    class StoppedError(Exception):
        pass

    keep = first.keep

    def keep_then_stop(*arguments) -> float:
        keep(*arguments)
        raise StoppedError

    first.keep = keep_then_stop  # type: ignore[method-assign]
    with pytest.raises(StoppedError):
        first.run()
    second = Finetuner(parted)
    second.run()
    assert read_columns(Path(parted.out) / "training.csv")["step"] == [1, 2]
    for name, value in whole.trained.items():
        torch.testing.assert_close(second.trained[name], value, rtol=1e-5, atol=1e-6, msg=name)


def test_states_of_other_runs_are_refused(config: FinetuneConfig) -> None:
    Finetuner(replace(config, steps=1, lora=ADAPTERS)).run()
    with pytest.raises(ConfigError, match=r"other settings \(lora\)"):
        Finetuner(replace(config, steps=1)).run()
    (Path(config.out) / SETTINGS).unlink()
    with pytest.raises(ModelError, match="remove it to start again"):
        Finetuner(replace(config, steps=1)).run()
    path = Path(config.out) / CHECKPOINT
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match=CHECKPOINT):
        Finetuner(replace(config, steps=1, lora=ADAPTERS)).run()


def test_adapters_on_a_changed_checkpoint_are_refused(config: FinetuneConfig, data: Trajectories) -> None:
    model = model_for(config, data)
    prepare(model, config)
    with pytest.raises(ConfigError, match="bare checkpoint"):
        prepare(model, replace(config, lora=ADAPTERS))


def test_the_papers_settings() -> None:
    config = load_finetune_config(PAPER)
    assert (config.rate, config.batch, config.steps) == (1e-5, 96, 24_000)  # A.1
    assert (config.layout, config.lora, config.base) == ("prefix_lm", None, "google/paligemma-3b-pt-224")
    assert len(config.revision) == 40
    assert config.accumulation(8) * 8 * config.states * config.saqa.questions * 4 == 96
    assert load_finetune_config(PAPER, {"lora": {"rank": 8}}).lora == LoraSettings(rank=8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch": 90}, "multiple of 4"),
        ({"layout": "other"}, "none of causal_readout, prefix_lm"),
        ({"steps": 0}, "at least 1"),
        ({"rate": 0.0}, "above 0"),
        ({"precision": "fp8"}, "none of bf16, float32"),
        ({"saqa": {"locate_share": 0.1}}, "locate_share must be 0"),
        ({"lora": {"rang": 8}}, "rang"),
        ({"warmup": 10}, "warmup"),
    ],
)
def test_wrong_settings_are_named(change: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_finetune_config(PAPER, change)
