# SPDX-License-Identifier: Apache-2.0
"""Perception as processes: a device on one end of a link, observations on the other."""

import time

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CompressedImage, Image

from swm_ros import qos
from swm_ros.compressed import encode
from swm_ros.images import to_rgb_numpy

pytestmark = pytest.mark.ros
BGR = (40, 90, 200)


@pytest.fixture(scope="module")
def link(probe, processes, tmp_path_factory):
    """A camera of 640x480 whose middle is cropped and compressed, and a perception that takes it."""
    video = tmp_path_factory.mktemp("camera") / "camera.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 30.0, (640, 480))
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[60:420] = BGR
    for _ in range(300):
        writer.write(frame)
    writer.release()
    probe.listen(CompressedImage, qos.OBSERVATION_COMPRESSED, qos.IMAGE)
    probe.listen(Image, qos.OBSERVATION, qos.IMAGE)
    probe.listen(DiagnosticArray, qos.DIAGNOSTICS, qos.RECORD)
    device = {"source": "device", "device": str(video), "rate": 30.0, "width": 640, "height": 480}
    processes.start("camera", "swm_ros.perception_node", **device, crop=[0, 60, 640, 360], output="jpeg")
    processes.start("perception", "swm_ros.perception_node", source="compressed", topic=qos.OBSERVATION_COMPRESSED)
    yield probe
    assert set(processes.end().values()) == {0}, "a node did not end cleanly on SIGINT"


def test_a_devices_frames_arrive_cropped_through_a_compressed_link(link):
    observation = link.wait_for(qos.OBSERVATION, lambda m: True, begin=0.0)
    image = to_rgb_numpy(observation)
    assert image.shape == (180, 320, 3)
    assert np.abs(image.astype(int) - BGR[::-1]).max() <= 12, "not cropped, or colours swapped"
    sent = link.heard[qos.OBSERVATION_COMPRESSED][-1][1]
    assert len(sent.data) < image.size / 10
    assert 0 <= time.time() - (observation.header.stamp.sec + observation.header.stamp.nanosec / 1e9) < 3600


def test_a_compressed_image_of_another_size_is_refused_with_its_cause(link):
    publisher = link.node.create_publisher(CompressedImage, qos.OBSERVATION_COMPRESSED, qos.IMAGE)
    begin = time.monotonic()

    def refused(report: DiagnosticArray) -> bool:
        publisher.publish(encode(np.zeros((90, 160, 3), np.uint8), "png", 95))
        (status,) = report.status
        values = {v.key: v.value for v in status.values}
        return status.name == "swm/perception" and int(values.get("refused_size", 0)) > 0

    link.wait_for(qos.DIAGNOSTICS, refused, begin)
    link.node.destroy_publisher(publisher)
