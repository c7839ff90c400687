# SPDX-License-Identifier: Apache-2.0
"""What the recorder writes is read by a reader that is not ours, and nothing that stops it stops the robot."""

import json
import subprocess
import sys
import time

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticStatus
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from sensor_msgs.msg import Image
from stack_harness import pursue

from swm_core.errors import RecordingError
from swm_core.records.reader import read_recording
from swm_msgs.msg import Plan
from swm_ros import qos
from swm_ros.mcap_file import McapFile
from swm_ros.message_definitions import definition

SAID = {
    qos.OBSERVATION, qos.CAMERA_IMAGE, qos.GOAL_STATUS, qos.ACTIVE_GOAL, qos.PLAN, qos.PLAN_STATS, qos.COMMAND_RAW,
    qos.COMMAND_SAFE, qos.GUARD_STATUS, qos.EFFECTOR_POSE, qos.DIAGNOSTICS, qos.ROSOUT,
}  # fmt: skip
ASKED = {"/swm/planner", "/swm/guard", "/swm/perception"}  # nodes of which the settings are recorded


@pytest.fixture(scope="module")
def recorded(line, processes, tmp_path_factory):
    """A recording of a goal being pursued."""
    path = tmp_path_factory.mktemp("records") / "new" / "run.mcap"
    processes.start("recorder", "swm_ros.recorder_node", path=str(path), diagnostics_period=0.2)
    line.wait_for(
        qos.DIAGNOSTICS, lambda d: d.status[0].name == "swm/recorder" and d.status[0].level == DiagnosticStatus.OK
    )
    pursue(line)
    for key, wanted in (("topics", len(SAID)), ("settings", len(ASKED))):
        line.wait_for(
            qos.DIAGNOSTICS,
            lambda d, key=key, n=wanted: any(v.key == key and int(v.value) >= n for s in d.status for v in s.values),
            time.monotonic(),
        )
    time.sleep(2.0)  # something to record on each topic
    process = processes.running.pop("recorder")
    process.terminate()
    assert process.wait(20) == 0
    assert "recorded" in processes.log("recorder")
    return path


@pytest.mark.ros
def test_another_reader_finds_every_topic_and_the_facts(recorded):
    with recorded.open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        topics = {channel.topic: channel for channel in summary.channels.values()}
        facts = {}
        for record in reader.iter_metadata():
            facts.setdefault(record.name, []).append(record.metadata)
        plans = [m.decoded_message for m in reader.iter_decoded_messages(topics=[qos.PLAN])]
        images = [m.decoded_message for m in reader.iter_decoded_messages(topics=[qos.OBSERVATION])]
    assert set(topics) >= SAID
    assert not any("/_" in topic or topic == qos.MONITOR_IMAGE for topic in topics)
    assert {c.message_encoding for c in topics.values()} == {"cdr"}
    offered = yaml.safe_load(topics[qos.GOAL_STATUS].metadata["offered_qos_profiles"])
    assert (offered[0]["durability"], offered[0]["reliability"]) == ("transient_local", "reliable")
    assert plans[0].task == "reach red moon"
    assert plans[0].horizon * plans[0].action_dim == len(plans[0].actions)
    assert len(images[0].data) == 180 * 320 * 3
    assert facts["swm.goal"][0]["name"] == "reach red moon"
    assert json.loads(facts["swm.goal"][0]["task"])["subgoals"][0]["questions"][0]["desired"] is True
    assert facts["swm.model"][0]["weights"] == "scripted"
    settings = {record["node"]: record for record in facts["swm.parameters"]}
    assert set(settings) >= ASKED
    assert json.loads(settings["/swm/planner"]["planner.horizon"]) == 16
    assert json.loads(settings["/swm/guard"]["max_velocity"]) == [0.3, 0.3, 0.0]


@pytest.mark.ros
def test_our_reader_gives_goal_frames_and_settings(recorded):
    recording = read_recording(recorded)
    assert recording.whole
    assert recording.environment == "langtable"
    assert recording.model == "scripted"
    assert recording.goals()[-1].task.subgoals[0].questions[0].text == "Is the robotic peg touching the red moon?"
    frames = list(recording.frames())
    assert frames[0].image.shape == (180, 320, 3)
    assert [f.stamp for f in frames] == sorted(f.stamp for f in frames)
    assert {logged.message.observation_stamp.sec for logged in recording.of(qos.PLAN)}


@pytest.mark.ros
def test_a_recording_that_was_cut_off_is_read_up_to_there(recorded, tmp_path):
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(recorded.read_bytes()[: recorded.stat().st_size * 2 // 3])
    recording = read_recording(cut)
    assert not recording.whole
    assert 0 < len(recording.of(qos.PLAN)) <= len(read_recording(recorded).of(qos.PLAN))


@pytest.mark.ros
@pytest.mark.parametrize(
    ("parameters", "said"), [({"path": "/proc/no/run.mcap"}, "cannot record to"), ({"reserve_mb": 900_000}, "MiB free")]
)
def test_where_it_cannot_write_it_says_so_and_the_robot_goes_on(line, processes, tmp_path, parameters, said):
    begin = time.monotonic()
    path = {"path": str(tmp_path / "run.mcap")} | parameters
    process = processes.start("recorder", "swm_ros.recorder_node", diagnostics_period=0.2, **path)
    try:
        line.wait_for(
            qos.DIAGNOSTICS,
            lambda d: any(s.name == "swm/recorder" and s.level == DiagnosticStatus.ERROR and said in s.message
                          for s in d.status),
            begin,
        )  # fmt: skip
        assert "Everything else goes on" in processes.log("recorder")
        pursue(line)
        assert process.poll() is None
    finally:
        process.terminate()
        status = processes.running.pop("recorder").wait(20)
    assert status == 0


def test_a_full_disk_is_told_and_what_was_written_is_read(tmp_path):
    path = tmp_path / "full.mcap"
    script = f"""
import resource, os
from swm_core.errors import RecordingError
from swm_ros.mcap_file import McapFile
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
from pathlib import Path
file = McapFile(Path({str(path)!r}))
channel = file.channel("/text", "std_msgs/msg/String", "string data", "")
text = b"\\x00\\x01\\x00\\x00" + (100_001).to_bytes(4, "little")
try:
    for i in range(100):
        file.write(channel, text + os.urandom(50_000).hex().encode() + b"\\x00", i, i)
except RecordingError as error:
    print(error)
file.close()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout
    assert "can be read" in done.stdout
    recording = read_recording(path)
    assert not recording.whole
    assert 10 < len(recording.of("/text")) < 100


def test_an_existing_file_is_not_overwritten(tmp_path):
    path = tmp_path / "run.mcap"
    path.write_text("precious")
    with pytest.raises(RecordingError, match="File exists"):
        McapFile(path)
    assert path.read_text() == "precious"
    with pytest.raises(RecordingError, match="not an MCAP file"):
        read_recording(path)


def test_definitions_hold_every_type_once():
    text = definition("swm_msgs/msg/Plan")
    assert text.startswith((Plan.__name__, "# SPDX"))
    for name in ("std_msgs/Header", "builtin_interfaces/Time", "geometry_msgs/Point"):
        assert text.count(f"MSG: {name}\n") == 1
    assert "uint8[] data" in definition("sensor_msgs/msg/Image")
    assert Image.__name__ not in text
