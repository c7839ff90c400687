# SPDX-License-Identifier: Apache-2.0
"""`semworld eval qa` on a small recorded data set, and its measures by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from swm_core.cli import main
from swm_core.data.evaluation_questions import evaluation_questions
from swm_core.data.trajectories import Trajectories
from swm_core.environment import load_environment
from swm_core.evaluation.answers import AnsweredQuestions, answer_measures, answer_questions, balanced_interval
from swm_core.evaluation.failures import failure_kinds, spread
from swm_core.evaluation.statistics import wilson_interval
from swm_core.models.grounded import GroundedModel


def answered(types: str, truth: str, yes: list[float], horizons: list[int] | None = None) -> AnsweredQuestions:
    n = len(truth)
    return AnsweredQuestions(
        np.array(list(types)), np.array(horizons or [0] * n), np.array(yes), np.array([t == "y" for t in truth])
    )


def test_balanced_accuracy_by_hand() -> None:
    # type a: yes 2 of 2, no 1 of 2; type b: yes 1 of 4, no 1 of 1
    found, _ = answer_measures(answered("aaaabbbbb", "yynnyyyyn", [0.9, 0.6, 0.2, 0.8, 0.7, 0.1, 0.2, 0.3, 0.4]))
    assert found["types"]["a"]["balanced"] == 0.75
    assert found["types"]["b"]["balanced"] == 0.625
    assert found["balanced_accuracy"] == pytest.approx(0.6875)
    assert found["types"]["b"]["yes"]["interval"] == pytest.approx(list(wilson_interval(1, 4)))
    assert found["n"] == 9


def test_a_type_without_both_answers_is_left_out_of_the_mean() -> None:
    found, _ = answer_measures(answered("aab", "yny", [0.9, 0.1, 0.2]))
    assert found["types"]["b"]["balanced"] is None
    assert found["balanced_accuracy"] == 1.0


def test_accuracy_by_horizon() -> None:
    found, _ = answer_measures(answered("aaaa", "ynyn", [0.9, 0.1, 0.2, 0.1], [0, 0, 20, 20]))
    assert {h: cell["balanced"] for h, cell in found["horizons"].items()} == {0: 1.0, 20: 0.5}


def test_accuracy_by_type_and_horizon() -> None:
    found, _ = answer_measures(answered("aaaabb", "ynynyn", [0.9, 0.1, 0.2, 0.1, 0.9, 0.9], [0, 0, 17, 20, 5, 1]))
    assert {h: cell["balanced"] for h, cell in found["type_horizons"]["a"].items()} == {0: 1.0, 17: None, 20: None}
    assert {h: cell["balanced"] for h, cell in found["type_bands"]["a"].items()} == {"0": 1.0, "16-20": 0.5}
    assert {h: cell["balanced"] for h, cell in found["type_bands"]["b"].items()} == {"1-5": 0.5}


def test_failures_are_ranked_by_type_and_right_answer() -> None:
    kinds = failure_kinds(answered("aaaabbb", "yyynynn", [0.4, 0.1, 0.9, 0.8, 0.2, 0.1, 0.2]))
    assert [(k.type, k.truth, k.wrong, k.asked) for k in kinds] == [
        ("a", True, (1, 0), 3),  # the surest mistake first
        ("a", False, (3,), 1),
        ("b", True, (4,), 1),
    ]
    assert kinds[0].summary() == {"type": "a", "truth": "yes", "wrong": 2, "asked": 3}


def test_examples_go_from_the_first_to_the_last() -> None:
    assert spread(range(10), 4) == [0, 3, 6, 9]
    assert spread((5, 7), 4) == [5, 7]


def test_interval_of_equal_cells_is_that_of_all_questions() -> None:
    cells = [{"yes": {"n": 50, "accuracy": 0.9}, "no": {"n": 50, "accuracy": 0.8}}] * 2
    assert balanced_interval(cells) == pytest.approx(wilson_interval(170, 200))


def test_answers_are_those_of_the_plain_pass(data_folder: Path, model_folder: Path) -> None:
    data, model = Trajectories.load(data_folder), GroundedModel.load(model_folder)
    questions = evaluation_questions(data, load_environment("langtable").questions, 6)
    found = answer_questions(model, data, questions)
    assert len({(q.episode, q.t) for q in questions}) < len(questions)  # some share a frame
    for i in range(0, len(questions), 7):
        q = questions[i]
        pixels = torch.from_numpy(data.episodes[q.episode].frame(q.t)).permute(2, 0, 1)[None] / 255.0
        actions = torch.from_numpy(data.episodes[q.episode].actions[q.t : q.t + q.horizon])[None]
        words = model.encode([q.question.text])
        logits = model.network.forward_plain(pixels, *words, actions, "causal_readout").logits
        assert found.yes[i] == pytest.approx(float(logits[0, 0, -1].sigmoid()), abs=1e-5)
        assert found.types[i] == q.question.type
        assert found.truth[i] == q.answer


@pytest.mark.parametrize("phrasings", ["trained", "held_out"])
def test_the_results_have_the_keys_of_the_contract(
    tmp_path: Path, data_folder: Path, model_folder: Path, phrasings: str
) -> None:
    out, table, picture = tmp_path / "out.json", tmp_path / "out.md", tmp_path / "out.png"
    words = ["--model", str(model_folder), "--per-type", "8", "--phrasings", phrasings]
    failures = tmp_path / "failures"
    words += ["--json", str(out), "--markdown", str(table), "--picture", str(picture), "--failures", str(failures)]
    assert main(["eval", "qa", str(data_folder), *words]) == 0
    result = json.loads(out.read_text())
    assert {"balanced_accuracy", "interval", "types", "horizons", "ece", "reliability", "weights", "commit"} <= set(
        result
    )
    assert 0.0 <= result["balanced_accuracy"] <= 1.0
    assert "peg_touching_block" in result["types"] or "block_move" in result["types"]
    for kind in result["types"].values():
        assert kind["yes"]["n"] == kind["no"]["n"] <= 4
    assert sum(b["n"] for b in result["reliability"]) == result["n"]
    assert "mean over types" in table.read_text()
    assert "horizon 16-20" in table.read_text()
    assert "mean said" in table.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert set(result["type_horizons"]) == set(result["type_bands"]) == set(result["types"])
    wrong = sum(
        round(c["n"] * (1 - c["accuracy"])) for kind in result["types"].values() for c in (kind["yes"], kind["no"])
    )
    assert sum(kind["wrong"] for kind in result["failures"]) == wrong > 0
    drawn = sorted(path.name for path in failures.iterdir())
    first = result["failures"][0]
    assert drawn[0] == f"01_{first['type']}_is_{first['truth']}.png"
    assert len(drawn) == min(6, len(result["failures"]))


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--per-type", "7"], "even"), (["--type", "colour"], "colour"), (["--behaviour", "sleep"], "sleep")],
)
def test_wrong_words_are_refused(
    data_folder: Path, model_folder: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "qa", str(data_folder), "--model", str(model_folder), *words]) == 1
    assert said in capsys.readouterr().err
