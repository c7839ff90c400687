# SPDX-License-Identifier: Apache-2.0
"""Markers say what they should, rviz would show them, and the picture of them is right."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import yaml
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from swm_core.environment import load_environment
from swm_core.installation import shared_file
from swm_msgs.msg import ObjectState, Plan, SceneState
from swm_ros import qos
from swm_ros.conversions import pose
from swm_ros.marker_picture import Shown, draw, placed
from swm_ros.markers import (
    RED,
    WHITE,
    axes_markers,
    box_markers,
    camera_pose,
    flaws,
    plan_markers,
    planned_path,
    scene_markers,
    text_markers,
    trail_markers,
)

SPEC = load_environment("langtable").spec
HEADER = Header(frame_id="world")


def a_plan() -> Plan:
    path = [Point(x=0.3 + 0.01 * i, y=0.0, z=0.02) for i in range(4)]
    candidates = np.array([[[0.01, 0.0]] * 3, [[0.0, 0.02]] * 3], np.float32)
    return Plan(
        header=HEADER, horizon=3, action_dim=2, path=path, candidate_count=2,
        candidates=candidates.ravel().tolist(), candidate_values=[2.0, 1.0],
    )  # fmt: skip


def a_scene() -> SceneState:
    things = [
        ObjectState(name="red moon", position=Point(x=0.3, y=0.1), yaw=0.5),
        ObjectState(name="blue cube", position=Point(x=0.4, y=-0.1, z=0.2)),
        ObjectState(name="strange thing", position=Point(x=0.5)),
    ]
    return SceneState(header=HEADER, objects=things, effector=Point(x=0.35, y=0.0, z=0.03))


def everything() -> list[Marker]:
    return [
        *plan_markers(a_plan(), SPEC),
        *trail_markers(HEADER, [(0.3, 0.0, 0.0), (0.31, 0.0, 0.0)]),
        *box_markers(HEADER, "workspace", [(SPEC.workspace_low, SPEC.workspace_high)], WHITE),
        *box_markers(HEADER, "keep_out", [((0, 0, 0), (1, 1, 1)), ((2, 2, 2), (3, 3, 3))], RED),
        *text_markers(HEADER, "goal", "active", (0.0, 0.0, 0.1), WHITE),
        *axes_markers(HEADER, [pose((0, 0, 0)), camera_pose(SPEC.camera)]),
        *scene_markers(a_scene(), SPEC),
    ]


def test_rviz_would_show_all_and_has_a_switch_for_each_kind():
    assert flaws(everything()) == []
    displays = yaml.safe_load(shared_file("rviz/swm.rviz").read_text())["Visualization Manager"]["Displays"]
    (plan,) = (d for d in displays if d["Class"] == "rviz_default_plugins/MarkerArray")
    assert plan["Topic"]["Value"] == qos.MONITOR_MARKERS
    assert set(plan["Namespaces"]) == {m.ns for m in everything()} | {"guard", "limits"}


def test_the_best_candidate_is_green_and_the_worst_red():
    best, first, second = plan_markers(a_plan(), SPEC)
    assert (best.ns, best.points[-1].x) == ("best", pytest.approx(0.33))
    assert first.color.g > first.color.r
    assert second.color.r > second.color.g
    assert (second.points[-1].x, second.points[-1].y) == (pytest.approx(0.3), pytest.approx(0.06))
    assert [p.pose.position.x for p in planned_path(a_plan()).poses] == pytest.approx([0.3, 0.31, 0.32, 0.33])


def test_a_box_has_twelve_edges_of_its_own_lengths():
    (box,) = box_markers(HEADER, "workspace", [((0, 0, 0), (1, 2, 3))], WHITE)
    ends = np.array([(p.x, p.y, p.z) for p in box.points]).reshape(12, 2, 3)
    assert sorted(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1)) == [1] * 4 + [2] * 4 + [3] * 4


def test_the_camera_looks_along_its_z_axis():
    camera, frame = SPEC.camera, camera_pose(SPEC.camera)
    (axes,) = axes_markers(HEADER, [frame])
    seen = placed(axes, np.array([[0.0, 0.0, 0.5], [0.05, 0.0, 0.5]]))
    centre, right = camera.project(seen)
    assert centre == pytest.approx(camera.centre, abs=1e-6)
    assert right[0] > centre[0]
    assert right[1] == pytest.approx(centre[1], abs=1e-6)


def test_objects_stand_where_they_are_in_their_colour():
    found = {(m.ns, m.id): m for m in scene_markers(a_scene(), SPEC)}
    moon, cube, strange = (found["objects", i] for i in range(3))
    assert (moon.type, cube.type) == (Marker.CYLINDER, Marker.CUBE)
    assert (moon.color.r, moon.color.g, moon.color.b) == (1.0, 0.0, 0.0)
    assert (strange.color.r, strange.color.g, strange.color.b) == (1.0, 1.0, 1.0)
    assert moon.pose.position.z == pytest.approx(SPEC.table_height + moon.scale.z / 2), "it stands on the table"
    assert cube.pose.position.z == pytest.approx(0.2), "it is lifted"
    assert [found["names", i].text for i in range(3)] == ["red moon", "blue cube", "strange thing"]


def spoilt(**changes: object) -> Marker:
    (marker,) = trail_markers(HEADER, [(0.0, 0.0, 0.0), (0.1, 0.0, 0.0)])
    for name, value in changes.items():
        setattr(marker, name, value)
    return marker


@pytest.mark.parametrize(
    ("marker", "flaw"),
    [
        (spoilt(points=[Point()]), "no line"),
        (spoilt(scale=Vector3()), "no line"),
        (spoilt(type=Marker.LINE_LIST, points=[Point()] * 3), "no list of lines"),
        (spoilt(pose=Pose(orientation=Quaternion(w=0.5))), "no unit quaternion"),
        (spoilt(points=[Point(), Point(x=float("nan"))]), "not finite"),
        (spoilt(color=ColorRGBA(r=1.0)), "invisible"),
        (spoilt(header=Header()), "no frame"),
        (spoilt(colors=[WHITE]), "1 colours for 2 points"),
        (spoilt(type=Marker.CUBE, scale=Vector3(x=1.0, y=1.0)), "flat"),
        (spoilt(type=Marker.TEXT_VIEW_FACING, text=" "), "no text"),
    ],
)
def test_what_rviz_would_refuse_is_named(marker, flaw):
    (found,) = flaws([marker])
    assert flaw in found


def test_a_marker_that_is_there_twice_is_named():
    assert flaws([spoilt(), spoilt()]) == ["trail/0 is there twice"]


def test_what_is_not_renewed_vanishes():
    shown = Shown()
    shown.add(MarkerArray(markers=[spoilt(), spoilt(id=1, lifetime=Duration())]), 10.0)
    assert [m.id for m in shown.at(11.9)] == [0, 1]
    assert [m.id for m in shown.at(12.1)] == [1], "a lifetime of 0 never ends"


def test_the_picture_shows_things_where_they_are(tmp_path: Path):
    """Two things on the two sides of the workspace, in their colours and in this order; y grows to the right."""
    workspace = box_markers(HEADER, "workspace", [(SPEC.workspace_low, SPEC.workspace_high)], WHITE)
    draw([*workspace, *scene_markers(a_scene(), SPEC)], tmp_path / "a" / "markers.png")
    picture = iio.imread(tmp_path / "a" / "markers.png")[..., :3].astype(int)
    red = (picture[..., 0] > 150) & (picture[..., 1:].max(-1) < 90)
    blue = (picture[..., 2] > 120) & (picture[..., :2].max(-1) < 90)
    assert min(red.sum(), blue.sum()) > 100
    assert np.median(np.nonzero(blue)[1]) < np.median(np.nonzero(red)[1]), "the blue cube's y is smaller"


def test_a_kind_that_cannot_be_drawn_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="trail/0: markers of type 10"):
        draw([spoilt(type=Marker.MESH_RESOURCE)], tmp_path / "markers.png")


def test_a_turned_marker_is_drawn_turned():
    quarter = pose((1.0, 0.0, 0.0), np.pi / 2)
    assert placed(spoilt(pose=quarter), np.array([[1.0, 0.0, 0.0]])) == pytest.approx(np.array([[1.0, 1.0, 0.0]]))
