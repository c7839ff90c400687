# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import time
from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from swm_core.data.balance import balance_report
from swm_core.data.batches import collate_samples
from swm_core.data.evaluation_questions import evaluation_questions
from swm_core.data.questioning import QuestionCatalogue
from swm_core.data.saqa import Sample, SaqaDataset, SaqaSettings, draw_horizons
from swm_core.data.trajectories import Trajectories
from swm_core.errors import ConfigError
from swm_core.tasks.langtable_questions import LANGTABLE_QUESTIONS
from swm_core.tasks.questions import question_truth
from swm_core.tasks.words import tokenize


@pytest.fixture(scope="module")
def dataset(data: Trajectories, catalogue: QuestionCatalogue) -> SaqaDataset:
    return SaqaDataset(data, catalogue, samples=64)


@pytest.fixture(scope="module")
def samples(dataset: SaqaDataset) -> list[Sample]:
    return [dataset[i] for i in range(500)]


def equal(a: Sample, b: Sample) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name), equal_nan=f.name in NAN) for f in fields(Sample))


NAN = ("targets", "pixels", "scene_pixels", "scene_positions", "effector")


def test_horizons_are_distinct_and_reach_zero_as_often_as_asked() -> None:
    random = np.random.default_rng(0)
    drawn = [draw_horizons(20, 0.3, random) for _ in range(3000)]
    assert all(len(set(h)) == 4 and h.min() >= 0 and h.max() <= 20 and list(h) == sorted(h) for h in drawn)
    assert np.mean([h[0] == 0 for h in drawn]) == pytest.approx(0.3, abs=0.03)
    later = Counter(itertools.chain(*drawn))
    assert all(later[h] == pytest.approx(3000 * 3.7 / 20, rel=0.25) for h in range(1, 21))
    assert list(draw_horizons(3, 0.0, random)) == [0, 1, 2, 3]


def test_every_answer_is_the_truth_of_its_words(dataset: SaqaDataset, samples: list[Sample]) -> None:
    """Words back to type and instance by searching all of them, then truth of the stored scenes."""
    names = samples[0].names
    meaning = {}
    for kind in LANGTABLE_QUESTIONS:
        for arguments in kind.instances(names):
            orders = [arguments, (*arguments[1::-1], *arguments[2:])] if kind.symmetric else [arguments]
            for order, number in itertools.product(orders, range(len(kind.phrasings))):
                question = kind.ask(order, number)
                meaning[(kind.name, question.text)] = question
    checked = 0
    for sample in samples[:60]:
        scenes = dataset.data.episodes[sample.source[0]].scenes
        before = scenes[sample.source[1]]
        for kind, text, answers in zip(sample.types, sample.texts, sample.answers, strict=True):
            name = dataset.catalogue.type_names[kind]
            for horizon, answer in zip(sample.horizons, answers, strict=True):
                if name == "locate":
                    assert answer == -1
                    continue
                after = scenes[int(sample.source[1] + horizon)]
                assert bool(answer) == question_truth(meaning[(name, text)], before, after, LANGTABLE_QUESTIONS)
                checked += 1
    assert checked > 2000


def test_targets_pixels_and_mentions_belong_together(dataset: SaqaDataset, samples: list[Sample]) -> None:
    camera = dataset.data.spec.camera
    for sample in samples[:100]:
        scenes = dataset.data.episodes[sample.source[0]].scenes
        t, n = sample.source[1], len(sample.names)
        assert sample.available == min(20, len(dataset.data.episodes[sample.source[0]]) - t)
        assert not sample.actions[sample.available :].any()
        for k, m in itertools.product(range(len(sample.texts)), range(2)):
            thing, place = sample.mentioned[k, m], sample.mentions[k, m]
            if thing < 0:
                assert place == -1
                assert np.isnan(sample.targets[k, m]).all()
                continue
            word = tokenize(sample.texts[k])[place]
            assert word == ("peg" if thing == n else sample.names[thing].split()[-1])
            assert sample.ids[k, place] == dataset.catalogue.words.index(word) + 1
            track = scenes.effector if thing == n else scenes.positions[:, thing]
            expected = track[t : t + sample.available + 1]
            np.testing.assert_allclose(sample.targets[k, m, : len(expected)], expected, atol=1e-6)
            assert np.isnan(sample.targets[k, m, len(expected) :]).all()
            np.testing.assert_allclose(sample.pixels[k, m], camera.project(expected[0]), atol=1e-3)


def test_balance_over_types_and_answers(dataset: SaqaDataset, samples: list[Sample]) -> None:
    rows = {row["type"]: row for row in balance_report(samples, dataset.catalogue.type_names).rows()}
    asked = [row["questions"] for name, row in rows.items() if name != "locate"]
    mean = np.mean(asked)
    assert all(count == pytest.approx(mean, rel=0.2) for count in asked)
    total = sum(row["questions"] for row in rows.values())
    assert rows["locate"]["questions"] / total == pytest.approx(0.1, abs=0.02)
    common = [row for name, row in rows.items() if name not in ("locate", "block_block_closer")]
    for row in common:  # two blocks hardly ever approach each other here: its weight is at the limit
        assert row["weighted_yes_share"] == pytest.approx(0.5, abs=0.1), row
    even = ("block_touching", "peg_to_block", "block_board_position", "peg_touching_block", "peg_move_direction")
    for name in even:
        assert rows[name]["yes_share"] == pytest.approx(0.5, abs=0.08), rows[name]


def test_every_phrasing_and_both_orders_occur(dataset: SaqaDataset, samples: list[Sample]) -> None:
    texts = Counter(text for sample in samples for text in sample.texts)
    move = dataset.catalogue.type_names.index("block_move")
    kind = dataset.catalogue.types[move]
    seen = Counter()
    for sample in samples:
        for text in (t for t, k in zip(sample.texts, sample.types, strict=True) if k == move):
            for number in range(len(kind.phrasings)):
                seen[number] += any(kind.ask((name,), number).text == text for name in sample.names)
    total = sum(seen.values())
    assert len(seen) == len(kind.phrasings)
    assert all(count == pytest.approx(total / len(kind.phrasings), rel=0.45) for count in seen.values())
    held_out = {kind.ask((name,), i, held_out=True).text for name in samples[0].names for i in range(2)}
    assert not held_out & set(texts)
    pairs = {tuple(s.mentioned[k]) for s in samples for k in np.flatnonzero(s.types == 0)}
    assert any((b, a) in pairs for a, b in pairs)


def test_stream_does_not_depend_on_workers(dataset: SaqaDataset) -> None:
    plain = list(DataLoader(dataset, batch_size=8, collate_fn=collate_samples))
    workers = list(DataLoader(dataset, batch_size=8, collate_fn=collate_samples, num_workers=2))
    assert len(plain) == len(workers) == 8
    for a, b in zip(plain, workers, strict=True):
        assert all(torch.equal(torch.nan_to_num(a[name].float()), torch.nan_to_num(b[name].float())) for name in a)


def test_same_seed_same_samples_other_seed_others(
    data: Trajectories, catalogue: QuestionCatalogue, dataset: SaqaDataset
) -> None:
    again, other = SaqaDataset(data, catalogue), SaqaDataset(data, catalogue, seed=1)
    assert all(equal(dataset[i], again[i]) for i in range(20))
    assert not any(equal(dataset[i], other[i]) for i in range(20))


def test_batch_shapes(dataset: SaqaDataset) -> None:
    batch = collate_samples([dataset[i] for i in range(3)])
    longest = dataset.catalogue.max_words
    shapes = {name: tuple(tensor.shape) for name, tensor in batch.items()}
    assert shapes["image"] == (3, 48, 64, 3)
    assert shapes["actions"] == (3, 20, 2)
    assert shapes["ids"] == (3, 12, longest)
    assert shapes["answers"] == shapes["weights"] == (3, 12, 4)
    assert shapes["targets"] == (3, 12, 2, 21, 3)
    assert shapes["available"] == (3,)


def test_a_sample_takes_a_few_milliseconds(dataset: SaqaDataset) -> None:
    begin = time.process_time()
    for i in range(100):
        dataset[i]
    assert time.process_time() - begin < 1.0  # 10 ms each, for slow machines; 2 to 3 measured


def test_frames_on_disk_give_the_same_samples(
    data: Trajectories, catalogue: QuestionCatalogue, dataset: SaqaDataset
) -> None:
    lazy = SaqaDataset(Trajectories([e.file for e in data.episodes], memory_limit=0), catalogue)
    assert lazy.data.episodes[0].frames is None
    assert all(equal(dataset[i], lazy[i]) for i in range(20))


def test_type_weights(data: Trajectories, catalogue: QuestionCatalogue) -> None:
    only = {kind.name: float(kind.name == "block_move") for kind in catalogue.types}
    dataset = SaqaDataset(data, catalogue, SaqaSettings(type_weights=only, locate_share=0.0))
    assert {int(k) for i in range(10) for k in dataset[i].types} == {catalogue.type_names.index("block_move")}
    with pytest.raises(ConfigError, match="unknown question types: nonsense"):
        SaqaDataset(data, catalogue, SaqaSettings(type_weights={"nonsense": 1.0}))


def test_evaluation_questions_are_balanced_right_and_repeatable(data: Trajectories) -> None:
    found = evaluation_questions(data, LANGTABLE_QUESTIONS, 40, seed=3)
    assert found == evaluation_questions(data, LANGTABLE_QUESTIONS, 40, seed=3)
    assert found != evaluation_questions(data, LANGTABLE_QUESTIONS, 40, seed=4)
    counts = Counter((q.question.type, q.answer) for q in found)
    for kind in LANGTABLE_QUESTIONS:
        assert counts[(kind.name, True)] == counts[(kind.name, False)]
    assert counts[("block_touching", True)] == 20
    trained = {
        kind.name: {
            kind.ask(a, i).text
            for a in kind.instances(data.episodes[0].scenes.names)
            for i in range(len(kind.phrasings))
        }
        for kind in LANGTABLE_QUESTIONS
        if not kind.symmetric
    }
    for item in found:
        scenes = data.episodes[item.episode].scenes
        truth = question_truth(item.question, scenes[item.t], scenes[item.t + item.horizon], LANGTABLE_QUESTIONS)
        assert truth == item.answer
        assert item.question.text in trained.get(item.question.type, {item.question.text})
    for item in evaluation_questions(data, LANGTABLE_QUESTIONS, 10, phrasings="held_out"):
        assert item.question.text not in trained.get(item.question.type, set())


def test_evaluation_questions_refuse_odd_numbers(data: Trajectories) -> None:
    with pytest.raises(ConfigError, match="even number"):
        evaluation_questions(data, LANGTABLE_QUESTIONS, 5)
    with pytest.raises(ConfigError, match="phrasings 'new'"):
        evaluation_questions(data, LANGTABLE_QUESTIONS, 4, phrasings="new")
