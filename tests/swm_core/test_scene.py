# SPDX-License-Identifier: Apache-2.0
"""The scene state: what it refuses, and what holds when nothing is said of a gripper."""

from dataclasses import replace

import numpy as np
import pytest

from swm_core.errors import SceneError
from swm_core.scene import SceneState

NAMES = ("red cube", "blue cube")
SCENE = SceneState(NAMES, np.zeros((2, 3)), np.zeros(2), np.zeros(3), np.zeros((3, 3), bool), np.array(0.0))


def test_without_a_gripper_there_are_no_fingers_and_no_gap_is_known() -> None:
    assert SCENE.fingers.shape == (0, 2, 3)
    assert np.isnan(SCENE.gaps).all()


def test_batches_keep_what_the_fingers_feel() -> None:
    fingers = np.random.default_rng(0).normal(size=(2, 2, 3))
    felt = replace(SCENE, fingers=fingers, gaps=np.array([0.0, 0.1]))
    both = SceneState.stack([felt, replace(felt, fingers=-fingers)])
    assert both.fingers.shape == (2, 2, 2, 3)
    np.testing.assert_array_equal(both[1].fingers, -fingers)
    np.testing.assert_array_equal(both[0].gaps, felt.gaps)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fingers": np.zeros((2, 3, 3))}, "fingers has shape"),
        ({"gaps": np.zeros(3)}, "gaps has shape"),
        ({"positions": np.zeros((3, 3))}, "positions has shape"),
        ({"names": ("red cube", "red cube")}, "repeat"),
    ],
)
def test_wrong_shapes_are_refused(change: dict, reason: str) -> None:
    with pytest.raises(SceneError, match=reason):
        replace(SCENE, **change)


def test_some_of_the_objects_in_another_order() -> None:
    three = SceneState(
        ("a", "b", "c"),
        np.arange(9.0).reshape(3, 3),
        np.arange(3.0),
        np.zeros(3),
        np.arange(16).reshape(4, 4) % 3 == 0,
        np.array(0.0),
    )
    two = three.only(("c", "a"))
    np.testing.assert_array_equal(two.positions, three.positions[[2, 0]])
    np.testing.assert_array_equal(two.contacts, three.contacts[np.ix_([2, 0, 3], [2, 0, 3])])
    with pytest.raises(SceneError, match="no object 'd'"):
        three.only(("d",))
