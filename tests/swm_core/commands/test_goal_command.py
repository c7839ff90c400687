# SPDX-License-Identifier: Apache-2.0
"""`semworld goal` prints and writes the task; what it cannot understand is one line and status 1."""

import json

import pytest

from swm_core.cli import main
from swm_core.errors import ModelError
from swm_core.tasks import decompose, paraphrase, reach


def test_the_task_is_a_table_and_a_file(tmp_path, capsys):
    file = tmp_path / "task.json"
    words = "separate the red moon from the blue cube, then reach the blue cube"
    assert main(["goal", words, "--objects", "red moon, blue cube", "--json", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "Is the blue cube touching the red moon?" in shown
    assert "subgoal 1 ends when 'Is the blue cube touching the red moon?' is answered no" in shown
    task = json.loads(file.read_text())
    assert task["task"] == "separate red moon from blue cube, then reach blue cube"
    assert task["subgoals"][0]["questions"][1] == {
        "question": "Is the blue cube touching the red moon?", "desired": "no", "weight": 0.4,
    }  # fmt: skip
    assert task["subgoals"][1]["completion"][0]["desired"] == "yes"


def test_objects_are_those_given(capsys):
    assert main(["goal", "reach the red moon", "--objects", "blue cube"]) == 1
    assert "there is no 'red moon'" in capsys.readouterr().err


def test_without_the_text_embedding_only_the_grammar_is_tried_and_that_is_told(monkeypatch, capsys):
    def missing():
        raise ModelError("install it")

    monkeypatch.setattr(paraphrase, "load_paraphrases", missing)
    assert main(["goal", "reach the red moon"]) == 0
    assert main(["goal", "scoot over to the red moon"]) == 1
    assert "Only the grammar was tried: install it" in capsys.readouterr().err


def test_paraphrases_are_understood(monkeypatch, capsys):
    monkeypatch.setattr(paraphrase, "load_paraphrases", lambda: lambda text, names, words: (reach(names[0]),))
    assert main(["goal", "scoot over to the red moon"]) == 0
    assert "reach red moon" in capsys.readouterr().out


def test_a_language_model_is_asked_only_where_one_is_named(monkeypatch, capsys):
    asked = []

    def complete(endpoint, messages, schema):
        asked.append(endpoint)
        question = {"question": "Is the robotic peg touching the red moon?", "desired": "yes"}
        return json.dumps({"subgoals": [{"questions": [{**question, "weight": 1}], "completion": question}]})

    monkeypatch.setattr(decompose, "complete", complete)
    assert main(["goal", "reach the red moon"]) == 0
    assert not asked
    assert main(["goal", "touch it", "--llm", "http://localhost:1/v1", "--llm-model", "m", "--llm-timeout", "3"]) == 0
    assert (asked[0].base_url, asked[0].model, asked[0].timeout) == ("http://localhost:1/v1", "m", 3.0)
    assert "Is the robotic peg touching the red moon?" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--llm", "file:///etc/passwd", "--llm-model", "m"], ["--llm", "http://h/v1"]])
def test_a_wrong_endpoint_is_one_line(arguments, capsys):
    assert main(["goal", "reach the red moon", *arguments]) == 1
    assert capsys.readouterr().err.startswith("error: the endpoint")
