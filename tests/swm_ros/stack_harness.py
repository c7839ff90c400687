# SPDX-License-Identifier: Apache-2.0
"""Node processes, a probe that talks to them, and a camera that can misbehave."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image
from std_msgs.msg import String

from swm_msgs.msg import GoalStatus
from swm_ros import qos
from swm_ros.conversions import pose
from swm_ros.images import from_rgb
from swm_ros.stack import NodeProcess, parameter_file

HERE = Path(__file__).parent
PATIENCE = float(os.environ.get("SWM_TEST_PATIENCE", "60"))  # s, on a busy machine


class Processes:
    """Node processes of one test module; all are ended with it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.running, self.environment = folder, {}, "langtable"

    def start(self, name: str, module: str, file: Path | None = None, **parameters) -> subprocess.Popen:
        command = NodeProcess(name, name, module, parameters).command(file or parameter_file(self.environment))
        if module.endswith(".py"):
            command[1:3] = [str(HERE / module)]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self.running[name] = process
        return process

    def kill(self, name: str) -> float:
        """SIGKILL; returns the monotonic time."""
        process = self.running.pop(name)
        process.kill()
        now = time.monotonic()
        process.wait()
        return now

    def stop(self, name: str) -> None:
        """SIGINT, and wait for the end."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0

    def end(self) -> dict[str, int]:
        """SIGINT to all; exit statuses by name."""
        for process in self.running.values():
            process.send_signal(signal.SIGINT)
        statuses = {}
        for name, process in self.running.items():
            try:
                statuses[name] = process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                statuses[name] = -9
        self.running.clear()
        return statuses

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()


class Probe:
    """A node that remembers what it hears, with receipt times; spun on a thread of its own."""

    def __init__(self) -> None:
        self.node = rclpy.create_node("probe")
        self.heard: dict[str, list] = {}
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self._spin, daemon=True)
        self.open = True
        self.thread.start()

    def _spin(self) -> None:
        while self.open and rclpy.ok():
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.open = False
        self.thread.join()
        self.node.destroy_node()

    def listen(self, kind: type, topic: str, profile) -> None:
        record = self.heard.setdefault(topic, [])
        self.node.create_subscription(kind, topic, lambda m: record.append((time.monotonic(), m)), profile)

    def since(self, topic: str, begin: float) -> list:
        return [m for at, m in list(self.heard[topic]) if at >= begin]

    def wait_for(self, topic: str, holds, begin: float | None = None, patience: float = PATIENCE):
        """First message since a time for which a condition holds."""
        begin = time.monotonic() if begin is None else begin
        end = time.monotonic() + patience
        while time.monotonic() < end:
            for message in self.since(topic, begin):
                if holds(message):
                    return message
            time.sleep(0.005)
        last = self.heard[topic][-1][1] if self.heard[topic] else None
        raise AssertionError(f"not heard on {topic} within {patience} s; the last was {last}")

    def call(self, kind: type, name: str, request, patience: float = PATIENCE):
        client = self.node.create_client(kind, name)
        assert client.wait_for_service(timeout_sec=patience), f"no service {name}"
        future = client.call_async(request)
        end = time.monotonic() + patience
        while not future.done() and time.monotonic() < end:
            time.sleep(0.005)
        assert future.done(), f"no answer of {name}"
        self.node.destroy_client(client)
        return future.result()


class Camera(threading.Thread):
    """Publishes frames and the effector's pose at 10 Hz, until it is told to be silent or to send something else."""

    def __init__(self, probe: Probe) -> None:
        super().__init__(daemon=True)
        self.node = probe.node
        self.images = self.node.create_publisher(Image, qos.CAMERA_IMAGE, qos.IMAGE)
        self.poses = self.node.create_publisher(PoseStamped, qos.EFFECTOR_POSE, qos.COMMAND)
        self.good = from_rgb(np.tile(np.arange(180, dtype=np.uint8)[:, None, None], (1, 320, 3)))
        self.image: Image | None = self.good
        self.last_sent = 0.0
        self.open = True
        self.start()

    def run(self) -> None:
        while self.open:
            begin = time.monotonic()
            stamp = self.node.get_clock().now().to_msg()
            where = PoseStamped(pose=pose((0.4, 0.0, 0.01)))
            where.header.stamp, where.header.frame_id = stamp, "world"
            self.poses.publish(where)
            image = self.image
            if image is not None:
                image.header.stamp = stamp
                self.images.publish(image)
                self.last_sent = time.monotonic()
            time.sleep(max(0.0, begin + 0.1 - time.monotonic()))


def moving(command) -> bool:
    """Whether a command asks for motion."""
    v = command.twist.twist.linear
    return bool(v.x or v.y or v.z)


def pursue(probe, text="reach the red moon"):
    """Send a goal and wait until the robot moves for it; sent again where a new planner had not been discovered yet."""
    begin, sent = time.monotonic(), float("-inf")
    while not any(s.state == GoalStatus.ACCEPTED for s in probe.since(qos.GOAL_STATUS, begin)):
        assert time.monotonic() < begin + 60.0, f"{text!r} is not accepted"
        if time.monotonic() > sent + 5.0:
            probe.text.publish(String(data=text))
            sent = time.monotonic()
        time.sleep(0.02)
    accepted = probe.wait_for(qos.GOAL_STATUS, lambda s: s.state == GoalStatus.ACCEPTED, begin)
    probe.wait_for(qos.COMMAND_SAFE, lambda c: moving(c) and c.epoch == accepted.epoch, begin)
    return accepted
