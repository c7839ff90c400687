# SPDX-License-Identifier: Apache-2.0
"""Transforms agree with what a quaternion means, and undo themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swm_core.errors import ConfigError
from swm_core.frames import Transform

UNIT = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1)
POINT = st.lists(st.floats(-5, 5), min_size=3, max_size=3)
QUARTER = (0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5))  # a quarter turn about z


def test_a_quarter_turn_about_z_takes_x_to_y():
    transform = Transform.from_numbers((1.0, 2.0, 3.0, *QUARTER), "pose")
    assert transform.direction([1, 0, 0]) == pytest.approx([0, 1, 0])
    assert transform.point([1, 0, 0]) == pytest.approx([1, 3, 3])


@given(POINT, UNIT, POINT)
def test_the_inverse_undoes_and_lengths_stay(origin, quaternion, point):
    unit = np.array(quaternion) / np.linalg.norm(quaternion)
    transform = Transform.from_numbers((*origin, *unit), "pose")
    assert transform.inverse.point(transform.point(point)) == pytest.approx(np.array(point), abs=1e-9)
    assert np.linalg.norm(transform.direction(point)) == pytest.approx(np.linalg.norm(point), abs=1e-9)
    assert np.linalg.det(transform.rotation) == pytest.approx(1.0)


def test_no_numbers_are_the_identity():
    assert np.array_equal(Transform.from_numbers((), "pose").point([1, 2, 3]), [1, 2, 3])


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((0.0,) * 6, "qx, qy"),
        ((0.0,) * 7, "length 0.000"),
        ((np.nan, 0, 0, 0, 0, 0, 1), "mount"),
        ((0, 0, 0, 0, 0, 0, 2), "2.000"),
    ],
)
def test_what_is_no_pose_is_refused_with_its_name(numbers, said):
    with pytest.raises(ConfigError, match=said):
        Transform.from_numbers(numbers, "mount")
