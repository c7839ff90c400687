# SPDX-License-Identifier: Apache-2.0
"""The xArm6 of pybullet_data as simulated here: only the peg collides, the links are drawn coarser."""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pybullet_data

from sim_bridges.langtable.specification import EFFECTOR_HEIGHT, PEG_BOTTOM, PEG_LENGTH, PEG_RADIUS

INITIAL_JOINTS = (-0.58750, 0.15986, -0.49929, 0.00174, 0.33927, -3.72496)
# The original's peg is squeezed out of the wrist by its collision shape and leans, the tip towards the robot's base.
PEG_LEAN = 0.04  # rad about y
PEG_OFFSET = (-0.0014, 0.0007)  # lower end minus command at rest, m; with the lean this repeats the original's pushes
VISUAL_GRID = 0.005  # m; the links' meshes are simplified to this, about a pixel


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Folder of this process's description, deleted when the process ends."""
    return tempfile.TemporaryDirectory(prefix="langtable-arm-")


@cache
def arm_description() -> Path:
    """Path of the arm's URDF, written once per process; links "link6" and "peg" are the flange and the peg."""
    folder = Path(_folder().name)
    source = Path(pybullet_data.getDataPath()) / "xarm"
    text = (source / "xarm6_robot_white.urdf").read_text()
    for unused in ("gazebo", "transmission", "collision"):
        text = re.sub(rf"<{unused}\b.*?</{unused}>", "", text, flags=re.DOTALL)
    for mesh in re.findall(r'filename="package://([^"]+)"', text):
        target = folder / Path(mesh).name
        write_stl(simplify(read_stl(source / mesh), VISUAL_GRID), target)
        text = text.replace(f"package://{mesh}", str(target))
    path = folder / "arm.urdf"
    path.write_text(text.replace("</robot>", _peg_xml() + "</robot>"))
    return path


def _peg_xml() -> str:
    """Peg welded to link 6, whose frame has x and z reversed while the tool points down."""
    axis = np.array([np.sin(PEG_LEAN), 0.0, np.cos(PEG_LEAN)])
    bottom = np.array([-PEG_OFFSET[0], PEG_OFFSET[1], EFFECTOR_HEIGHT - PEG_BOTTOM])
    x, y, z = bottom - axis * PEG_LENGTH / 2
    cylinder = f'<geometry><cylinder radius="{PEG_RADIUS}" length="{PEG_LENGTH}"/></geometry>'
    return (
        f'<link name="peg"><visual>{cylinder}<material name="peg"><color rgba="0.5 0.5 0.5 1"/></material></visual>'
        f"<collision>{cylinder}</collision>"
        '<inertial><mass value="0.1"/><inertia ixx="1e-4" ixy="0" ixz="0" iyy="1e-4" iyz="0" izz="1e-5"/></inertial>'
        '<contact><lateral_friction value="1.0"/><rolling_friction value="0.0001"/></contact></link>'
        '<joint name="peg_joint" type="fixed"><parent link="link6"/><child link="peg"/>'
        f'<origin xyz="{x} {y} {z}" rpy="0 {PEG_LEAN} 0"/></joint>'
    )


def read_stl(path: Path) -> np.ndarray:
    """Triangles of a binary STL file.

    Returns:
        (F, 3, 3) float64.
    """
    data = path.read_bytes()
    count = int(np.frombuffer(data, "<u4", 1, 80)[0])
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("extra", "<u2")])
    return np.frombuffer(data, record, count, 84)["corners"].astype(float)


def write_stl(triangles: np.ndarray, path: Path) -> None:
    """Write triangles (F, 3, 3) as a binary STL file."""
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("extra", "<u2")])
    out = np.zeros(len(triangles), record)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    out["normal"] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    out["corners"] = triangles
    path.write_bytes(b"\0" * 80 + np.uint32(len(triangles)).tobytes() + out.tobytes())


def simplify(triangles: np.ndarray, grid: float) -> np.ndarray:
    """Merge vertices that share a grid cell and drop the triangles that vanish.

    Args:
        triangles: (F, 3, 3) float64, m.
        grid: edge of a cell, m.

    Returns:
        (G, 3, 3) float64, G <= F; vertices are the means of the merged ones.
    """
    points = triangles.reshape(-1, 3)
    _, cell = np.unique(np.floor(points / grid).astype(np.int64), axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    size = np.bincount(cell)
    means = np.stack([np.bincount(cell, points[:, axis]) for axis in range(3)], -1) / size[:, None]
    corners = cell.reshape(-1, 3)
    a, b, c = corners.T
    corners = corners[(a != b) & (b != c) & (a != c)]
    turned = np.take_along_axis(corners, (corners.argmin(1)[:, None] + np.arange(3)) % 3, 1)
    return means[np.unique(turned, axis=0)]
