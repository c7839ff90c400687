# SPDX-License-Identifier: Apache-2.0
"""Frames of a distorting camera become those that the model's camera would have taken of the same table."""

import cv2
import numpy as np
import pytest
import yaml

from swm_core.camera import Camera
from swm_core.camera_view import Calibration, CameraView
from swm_core.errors import ConfigError
from swm_core.frames import Transform

DOWN = ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0))
MODEL = Camera(160, 90, 200.0, (0.0, 0.0, 1.0), DOWN)
MATRIX = np.array([[500.0, 0.0, 330.0], [0.0, 510.0, 175.0], [0.0, 0.0, 1.0]])
LENS = Calibration(640, 360, MATRIX, np.array([-0.25, 0.08, 0.001, -0.002, 0.0]))
TILT = np.deg2rad(20.0)
# looks down from aside: the optical axes are the columns
POSE = Transform(
    np.array([0.1, -0.4, 1.1]),
    np.array([[1.0, 0, 0], [0, -1.0, 0], [0, 0, -1.0]])
    @ np.array([[1.0, 0, 0], [0, np.cos(TILT), -np.sin(TILT)], [0, np.sin(TILT), np.cos(TILT)]]),
)


def paint(points: np.ndarray) -> np.ndarray:
    """A smooth picture painted on the table: (..., 3) uint8 at (..., 3) points."""
    x, y = points[..., 0], points[..., 1]
    waves = np.stack([np.sin(9 * x + 2 * y), np.cos(7 * y), np.sin(5 * x - 8 * y)], -1)
    return np.uint8(127.5 + 100 * waves)


def pixels(width: int, height: int) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), -1)


def taken_by_the_real_camera() -> np.ndarray:
    """What a lens with distortion sees of the painted table: each pixel's ray, by OpenCV's iterative inverse."""
    seen = pixels(640, 360).reshape(-1, 1, 2) - 0.5
    rays = cv2.undistortPoints(seen, MATRIX, LENS.distortion).reshape(360, 640, 2)
    rays = POSE.direction(np.concatenate([rays, np.ones((360, 640, 1))], -1))
    return paint(POSE.translation - rays * POSE.translation[2] / rays[..., 2:])


def test_the_table_is_drawn_as_the_models_camera_sees_it():
    view = CameraView((640, 360), MODEL, LENS, pose=POSE)(taken_by_the_real_camera())
    wanted = paint(MODEL.unproject(pixels(160, 90)))
    seen = view.any(-1)
    assert view.shape == (90, 160, 3)
    assert seen.mean() > 0.7
    difference = np.abs(view.astype(int) - wanted)[cv2.erode(np.uint8(seen), np.ones((3, 3))) > 0]
    assert difference.mean() < 1.0
    assert difference.max() <= 6


def test_a_crop_is_undistorted():
    """Straight lines of the world, seen bent, become straight where an ideal camera shows them."""
    frame = np.zeros((360, 640, 3), np.uint8)
    ends = np.array([[-0.4, -0.25, 1.0], [0.4, -0.2, 1.0]])
    line = np.linspace(*ends, 200)
    bent, _ = cv2.projectPoints(line, np.zeros(3), np.zeros(3), MATRIX, LENS.distortion)
    cv2.polylines(frame, [np.int32(np.round(bent * 16))], False, (255, 255, 255), 2, cv2.LINE_AA, 4)
    ideal = line @ MATRIX.T
    ideal = ideal[:, :2] / ideal[:, 2:] + 0.5
    crop = (40, 20, 560, 315)
    view = CameraView((640, 360), MODEL, LENS, crop)(frame)
    wanted = (ideal - crop[:2]) * 160 / 560
    inside = wanted[(wanted[:, 0] > 2) & (wanted[:, 0] < 158) & (wanted[:, 1] > 2) & (wanted[:, 1] < 88)]
    rows = np.arange(90)[:, None] + 0.5
    weights = view[..., 0].astype(float)
    found = (weights * rows).sum(0) / np.maximum(weights.sum(0), 1e-9)
    assert len(inside) > 100
    for x, y in inside[::10]:
        assert found[int(x)] == pytest.approx(y, abs=0.4)


def test_a_crop_of_the_models_own_size_is_taken_as_it_is():
    frame = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    view = CameraView((300, 200), MODEL, crop=(20, 30, 160, 90))(frame)
    assert np.array_equal(view, frame[30:120, 20:180])


def test_scaling_down_averages_instead_of_leaving_out():
    frame = np.zeros((360, 640, 3), np.uint8)
    frame[:, ::2] = 200  # stripes finer than the model's pixels
    view = CameraView((640, 360), MODEL)(frame)
    assert np.abs(view.astype(int) - 100).max() <= 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"crop": (0, 0, 640, 300)}, "aspect"),
        ({"crop": (0, 0, 800, 450)}, "not inside"),
        ({"crop": (0, 0, 640)}, "not inside"),
        ({"pose": POSE}, "needs a calibration"),
        ({"pose": POSE, "calibration": LENS, "crop": (0, 0, 640, 360)}, "excludes a crop"),
        ({"calibration": Calibration(1280, 720, MATRIX, np.zeros(5))}, "1280x720"),
    ],
)
def test_settings_that_do_not_fit_are_errors(settings, said):
    with pytest.raises(ConfigError, match=said):
        CameraView((640, 360), MODEL, **settings)


def test_a_calibration_file_is_read_as_ros_writes_it(tmp_path):
    file = tmp_path / "camera.yaml"
    matrix = {"rows": 3, "cols": 3, "data": [float(v) for v in MATRIX.ravel()]}
    content = {
        "image_width": 640, "image_height": 360, "camera_name": "cam", "camera_matrix": matrix,
        "distortion_model": "plumb_bob",
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.1, 0.0, 0.0, 0.0, 0.0]},
    }  # fmt: skip
    file.write_text(yaml.safe_dump(content))
    found = Calibration.load(file)
    assert np.array_equal(found.matrix, MATRIX)
    assert found.distortion[0] == 0.1
    for broken in ("", "image_width: 3", "[1, 2]", yaml.safe_dump(content | {"distortion_model": "equidistant"})):
        file.write_text(broken)
        with pytest.raises(ConfigError, match=r"camera\.yaml"):
            Calibration.load(file)
    with pytest.raises(ConfigError, match="nowhere"):
        Calibration.load(tmp_path / "nowhere")
