# SPDX-License-Identifier: Apache-2.0
"""Goals in people's words: what is understood, what is refused and why, and that nothing else ever happens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swm_core.errors import GoalError
from swm_core.tasks import AnyOrder, Task, TaskSpec, build_task, parse_goal, push, reach, separate

NAMES = (
    "red moon",
    "red pentagon",
    "blue moon",
    "blue cube",
    "green cube",
    "green star",
    "yellow star",
    "yellow pentagon",
)
FOUR = ("red moon", "blue cube", "green star", "yellow pentagon")
R, C, S = "red moon", "blue cube", "green star"


@pytest.mark.parametrize(
    "text",
    [
        "reach the red moon",
        "Touch the red moon.",
        "go to red moon",
        "point at the red moon",
        "tap the red moon",
        "move the arm to the red moon",
        "move to the red moon",
        "approach red moon",
        "the peg touches the red moon",
        "MOVE THE PEG NEXT TO THE RED MOON!",
        "next reach the red moon",
        "please touch the red moon with the robotic peg",
        "make contact with the red moon",
        "reach for the moon",
        "Can you reach the red block?",
        "touch the red moon block",
        "  reach\tthe red moon \n",
    ],
)
def test_reaching(text):
    assert parse_goal(text, FOUR) == (reach(R),)


@pytest.mark.parametrize(
    "text",
    [
        *(
            f"{verb} the red moon {joint} the green star"
            for verb in ("push", "move", "slide", "put")
            for joint in ("to", "towards", "next to", "against", "close to")
        ),
        "The red moon touches the green star.",
        "the red moon is touching the green star",
        "red moon and green star touch",
        "red moon and green star touching",
        "the red moon and the green star are touching each other",
        "bring the red moon and the green star together",
        "make the red moon touch the green star",
        "push the moon to the star",
        "let the red moon and the green star touch",
        "move the red block next to the green block",
        "the red moon should touch the green star",
        "red moon touching green star",
        "bring the red moon into contact with the green star",
    ],
)
def test_pushing(text):
    assert parse_goal(text, FOUR) == (push(R, S),)


@pytest.mark.parametrize(
    "text",
    [
        "separate the red moon from the green star",
        "move the red moon away from the green star",
        "push the moon off the star",
        "separate the red moon and the green star",
        "red moon away from the green star",
        "move red moon and green star apart",
        "the red moon should not touch the green star",
    ],
)
def test_separating(text):
    assert parse_goal(text, FOUR) == (separate(R, S),)


def test_separating_from_several():
    assert parse_goal("separate the red moon from the green star and the blue cube", FOUR) == (separate(R, S, C),)
    assert parse_goal("move the red moon away from the green star, and the blue cube", FOUR) == (separate(R, S, C),)
    assert parse_goal("separate red moon from green star, blue cube, and yellow pentagon", FOUR) == (
        separate(R, S, C, "yellow pentagon"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "push red moon to green star then reach blue cube",
        "Push the red moon to the green star. Then reach blue cube.",
        "first push red moon to green star, and then go to the blue cube",
        "push red moon to green star, reach blue cube",
        "push red moon to green star and touch blue cube",
        "push red moon to green star and please also reach blue cube",
        "red moon touches green star; reach the cube then",
        "push red moon to green star\nreach blue cube",
    ],
)
def test_sequences(text):
    assert parse_goal(text, FOUR) == (push(R, S), reach(C))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("push the purple cube to the red moon", "there is no 'purple cube'"),
        ("reach the red star", "there is no 'red star'"),
        ("reach the cube", "'cube' is ambiguous: blue cube or green cube"),
        ("reach the red block", "'red block' is ambiguous: red moon or red pentagon"),
        ("reach the purple block", "there is no 'purple block'"),
        ("reach the block", "does not say which"),
        ("reach the red", "does not say which"),
        ("reach the banana", "'banana' is neither"),
        ("juggle the red moon", "'juggle' is no verb"),
        ("push the red moon", "with 1 object"),
        ("push", "with no objects"),
        ("push the red moon to the red moon", "different blocks"),
        ("push the red moon and the blue cube to the green star", "with 3 objects"),
        ("", "empty"),
        (" \n ", "empty"),
        ("please", "empty"),
        ("?!", "empty"),
        ("reach the red moon\x00", "control characters: U\\+0000"),
        ("reach \x1b[31mred moon", "control characters"),
        ("reach the red\u202emoon", "control characters: U\\+202E"),
        ("reach the red moon " + "x" * 500, "at most 500"),
    ],
)
def test_refusals_say_why(text, reason):
    with pytest.raises(GoalError, match=reason):
        parse_goal(text, NAMES)


def test_refusals_name_the_objects_and_give_examples_that_work():
    with pytest.raises(GoalError) as refused:
        parse_goal("dance", NAMES)
    message = str(refused.value)
    assert all(name in message for name in NAMES)
    examples = message.split("Examples: ")[1].split("'")[1::2]
    assert len(examples) == 3
    assert {step.kind for text in examples for step in parse_goal(text, NAMES)} == {"reach", "push", "separate"}


def test_what_is_no_text_is_refused():
    with pytest.raises(GoalError, match="bytes"):
        parse_goal(b"reach the red moon", NAMES)


def test_an_empty_table_is_no_crash():
    with pytest.raises(GoalError, match="nothing"):
        parse_goal("reach the red moon", ())


def test_other_environments_bring_their_names_and_words():
    names = ("drawer handle", "red cube", "window")
    assert parse_goal("push the red cube to the window", names) == (push("red cube", "window"),)
    assert parse_goal("bring the suction cup to the handle", names, ("suction cup",)) == (reach("drawer handle"),)


specs = st.one_of(
    st.sampled_from(NAMES).map(reach),
    st.permutations(NAMES).map(lambda order: push(*order[:2])),
    st.tuples(st.permutations(NAMES), st.integers(2, 5)).map(lambda drawn: separate(*drawn[0][: drawn[1]])),
)


@given(st.lists(specs, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_a_tasks_name_is_read_back(steps):
    assert parse_goal(build_task(steps).name, NAMES) == tuple(steps)


said = st.lists(
    st.sampled_from(
        [
            "push",
            "move",
            "reach",
            "separate",
            "the",
            "a",
            "red",
            "blue",
            "green",
            "star",
            "moon",
            "cube",
            "block",
            "to",
            "from",
            "and",
            "then",
            "touch",
            "touches",
            "touching",
            "away",
            "next",
            "against",
            "peg",
            "arm",
            "together",
            "apart",
            "not",
            "is",
            ".",
            ",",
            "?",
            ";",
            "please",
            "red-moon",
            "RED",
        ]
    ),
    max_size=14,
).map(" ".join)


@given(st.one_of(said, st.text(max_size=600)))
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_task_or_a_goal_error(text):
    try:
        steps = parse_goal(text, NAMES)
    except GoalError:
        return
    assert all(isinstance(step, TaskSpec) for step in steps)
    assert all(name in NAMES for step in steps for name in step.blocks)
    assert isinstance(build_task(steps), Task)


@pytest.mark.parametrize(
    ("text", "in_any_order"),
    [
        ("push red moon to green star and push blue cube to yellow pentagon", True),
        ("push red moon to green star, touch the blue cube and please reach the yellow pentagon", True),
        ("push red moon to green star, then push blue cube to yellow pentagon", False),
        ("push red moon to green star and then touch blue cube", False),
        ("push red moon to green star; touch blue cube", False),
        ("first push red moon to green star and finally touch blue cube", False),
        ("separate the red moon from the green star and the blue cube", False),
        ("red moon and green star touch", False),
    ],
)
def test_steps_joined_by_and_have_no_order(text: str, in_any_order: bool) -> None:
    steps = parse_goal(text, FOUR)
    assert isinstance(steps, AnyOrder) == in_any_order
    task = build_task(steps)
    assert task.ordered != in_any_order
    again = parse_goal(task.name, FOUR)
    assert (again, isinstance(again, AnyOrder)) == (steps, in_any_order)
