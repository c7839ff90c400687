# SPDX-License-Identifier: Apache-2.0
"""A model file that is missing, truncated or of another architecture: the reason is told, nothing is half-loaded."""

import json
import shutil
import threading

import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from swm_core.errors import ModelError
from swm_core.models.shipped import shipped_model
from swm_ros.planner_node import Planner

pytestmark = pytest.mark.ros


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped model, to be damaged."""
    try:
        source = shipped_model("langtable")
    except ModelError as error:
        pytest.skip(str(error))
    for name in ("config.json", "model.safetensors"):
        shutil.copy(source / name, tmp_path)
    return tmp_path


def missing(folder):
    (folder / "model.safetensors").unlink()


def truncated(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def of_another_architecture(folder):
    data = json.loads((folder / "config.json").read_text())
    data["model"]["layers"] += 1
    (folder / "config.json").write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("damage", "said"),
    [(missing, "missing or damaged"), (truncated, "missing or damaged"), (of_another_architecture, "architecture")],
)
def test_it_is_told_at_configuration_and_the_node_can_be_configured_with_a_whole_one(ros, folder, capfd, damage, said):
    threads = threading.active_count()
    whole = {name: (folder / name).read_bytes() for name in ("config.json", "model.safetensors")}
    damage(folder)
    overrides = [Parameter("model_path", value=str(folder)), Parameter("autostart", value=False)]
    node = Planner(parameter_overrides=overrides)
    try:
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
        assert said in capfd.readouterr().err
        assert node.worker is None
        assert threading.active_count() == threads, "the planning thread was left behind"
        for name, content in whole.items():
            (folder / name).write_bytes(content)
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    finally:
        node.finish()
        node.destroy_node()
