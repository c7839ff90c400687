# SPDX-License-Identifier: Apache-2.0
"""A frozen camera is told from a robot that stands; one colour is no picture."""

import numpy as np
import pytest

from swm_ros.camera_health import CameraHealth
from swm_ros.images import ImageCause, ImageError

PICTURE = np.tile(np.arange(180, dtype=np.uint8)[:, None, None], (1, 320, 3))
TRAVEL = 0.002


PERIOD = 10**8  # ns


class Camera:
    """A health check, with a clock that goes on by a period with every picture."""

    def __init__(self):
        self.health, self.now = CameraHealth(TRAVEL), 0

    def effector_at(self, y, stamp=None):
        self.health.see_effector((0.4, y, 0.0), self.now + PERIOD // 2 if stamp is None else stamp)

    def shows(self, picture, stamp=None):
        """The cause for which a picture is refused; None if it is not."""
        self.now += PERIOD
        try:
            self.health.check(picture.copy(), self.now if stamp is None else stamp)
        except ImageError as error:
            return error.cause
        return None


@pytest.fixture
def camera():
    made = Camera()
    made.effector_at(0.0)
    return made


def test_the_same_picture_is_true_as_long_as_nothing_moves(camera):
    assert {camera.shows(PICTURE) for _ in range(100)} == {None}
    camera.effector_at(0.0019)
    assert camera.shows(PICTURE) is None


def test_the_same_picture_is_frozen_once_the_effector_has_gone_on_and_stays_so_until_another_comes(camera):
    assert camera.shows(PICTURE) is None
    camera.effector_at(0.001)
    assert camera.shows(PICTURE) is None
    camera.effector_at(0.003)
    assert {camera.shows(PICTURE) for _ in range(5)} == {ImageCause.FROZEN}
    other = PICTURE.copy()
    other[5, 5, 0] += 1
    assert camera.shows(other) is None
    camera.effector_at(0.004)
    assert camera.shows(other) is None


def test_slow_motion_adds_up(camera):
    for i in range(20):
        camera.effector_at(1e-4 * i)
        assert camera.shows(PICTURE) is None
    camera.effector_at(0.0021)
    assert camera.shows(PICTURE) == ImageCause.FROZEN


def test_a_picture_that_is_late_is_compared_with_where_the_effector_was(camera):
    """At the begin of a motion the pictures that are on their way still show the effector at rest."""
    assert camera.shows(PICTURE) is None
    taken = camera.now + PERIOD // 2
    camera.effector_at(0.01, camera.now + PERIOD)
    assert camera.shows(PICTURE, taken) is None
    assert camera.shows(PICTURE) == ImageCause.FROZEN


def test_a_message_that_is_sent_again_with_its_old_stamp_is_frozen_too(camera):
    assert camera.shows(PICTURE) is None
    stamp = camera.now
    assert camera.shows(PICTURE, stamp) is None, "nothing has moved: a simulator in lockstep repeats frames"
    camera.effector_at(0.01)
    assert camera.shows(PICTURE, stamp) == ImageCause.FROZEN


def test_stamps_of_a_clock_that_is_behind_are_compared_with_where_the_effector_is(camera):
    behind = -3600 * 10**9
    assert camera.shows(PICTURE, behind) is None
    camera.effector_at(0.01)
    assert camera.shows(PICTURE, behind + PERIOD) == ImageCause.FROZEN


def test_without_a_pose_nothing_is_held_for_frozen():
    camera = Camera()
    assert {camera.shows(PICTURE) for _ in range(3)} == {None}
    camera.effector_at(0.0)
    assert camera.shows(PICTURE) is None  # from here on there is something to compare with
    camera.effector_at(0.1)
    assert camera.shows(PICTURE) == ImageCause.FROZEN


@pytest.mark.parametrize("level", [0, 128, 255])
def test_one_colour_with_a_little_noise_is_blank(camera, level):
    noise = np.random.default_rng(0).integers(-3, 4, (180, 320, 3))
    assert camera.shows(np.clip(level + noise, 0, 255).astype(np.uint8)) == ImageCause.BLANK


def test_a_pose_that_comes_after_the_picture_of_its_time_is_that_of_the_picture(camera):
    other = PICTURE[::-1]
    assert camera.shows(PICTURE) is None
    assert camera.shows(other) is None  # the arm was put elsewhere, and the pose is still on its way
    camera.effector_at(0.3, stamp=camera.now)
    assert {camera.shows(other, stamp=camera.now) for _ in range(5)} == {None}  # a simulator sends it again
    camera.effector_at(0.31)
    assert camera.shows(other) is ImageCause.FROZEN
