# SPDX-License-Identifier: Apache-2.0
"""Observations over a slow, lossy link: how late they are and how many come, raw and compressed.

How: two network namespaces, each with a TAP device; this process carries every Ethernet frame from one to the other,
late and not all of them, each way alike (what `tc netem` does, where the kernel has it). A publisher in one namespace
sends frames of the simulation with the stack's quality of service, a subscriber in the other takes the time; both are
on this machine's clock. Fast DDS is told to use UDP, as its shared memory would go past the link. Needs root.

    python benchmarks/slow_link.py --delay 0.02 --loss 0.01
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import click
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CompressedImage, Image

from swm_core.environment import load_environment
from swm_ros import qos
from swm_ros.compressed import encode
from swm_ros.conversions import nanoseconds, stamp_of
from swm_ros.images import from_rgb

KINDS = ("raw", "png", "jpeg")
SPACES = ("swm_near", "swm_far")
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


def ip(*arguments: str) -> None:
    """Run ip."""
    subprocess.run(["ip", *arguments], check=True)  # noqa: S603, S607


@contextlib.contextmanager
def namespaces() -> Iterator[list[int]]:
    """Two namespaces with one Ethernet device each; gives the devices' other ends as file descriptors."""
    ends: list[int] = []
    try:
        for number, space in enumerate(SPACES):
            end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            ends.append(end)
            fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", space.encode(), IFF_TAP | IFF_NO_PI))
            ip("netns", "add", space)
            ip("link", "set", space, "netns", space)
            inside = ("netns", "exec", space, "ip")
            ip(*inside, "link", "set", "lo", "up")
            ip(*inside, "address", "add", f"10.77.0.{number + 1}/24", "dev", space)
            ip(*inside, "link", "set", space, "up")
            ip(*inside, "route", "add", "224.0.0.0/4", "dev", space)
        yield ends
    finally:
        for end in ends:
            os.close(end)
        for space in SPACES:
            subprocess.run(["ip", "netns", "delete", space], check=False, stderr=subprocess.DEVNULL)  # noqa: S603, S607


class Carrier(threading.Thread):
    """Carries Ethernet frames between two devices."""

    def __init__(self, ends: list[int], delay: float, loss: float) -> None:
        """Begin to carry.

        Args:
            ends: both devices.
            delay: of each frame, s.
            loss: probability that a frame is lost.
        """
        super().__init__(daemon=True)
        self._ends, self._delay, self._loss = ends, delay, loss
        self.open, self.carried, self.octets = True, 0, 0
        self.start()

    def run(self) -> None:
        """Carry until closed."""
        random, waiting, count = np.random.default_rng(0), [], 0
        while self.open:
            pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.1
            for end in select.select(self._ends, [], [], min(pause, 0.1))[0]:
                data = os.read(end, 65536)
                if random.random() >= self._loss:
                    count += 1
                    other = self._ends[1 - self._ends.index(end)]
                    heapq.heappush(waiting, (time.monotonic() + self._delay, count, other, data))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, other, data = heapq.heappop(waiting)
                with contextlib.suppress(BlockingIOError):  # a full queue loses frames as a real one does
                    os.write(other, data)
                self.carried, self.octets = self.carried + 1, self.octets + len(data)


def send(kind: str, rate: float, seconds: float) -> None:
    """Publish observations."""
    entry = load_environment("langtable")
    environment = entry.make(images=False)
    environment.reset(seed=6000)
    frame = environment.render()
    environment.close()
    rclpy.init()
    node = rclpy.create_node("near")
    raw = kind == "raw"
    topic = qos.OBSERVATION if raw else qos.OBSERVATION_COMPRESSED
    publisher = node.create_publisher(Image if raw else CompressedImage, topic, qos.IMAGE)
    end = time.monotonic() + 60.0
    while not publisher.get_subscription_count() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(2.0)
    sent, begin = 0, time.monotonic()
    while time.monotonic() < begin + seconds:
        message = from_rgb(frame) if raw else encode(frame, kind, 95)
        message.header.stamp = stamp_of(time.time_ns())
        publisher.publish(message)
        sent += 1
        time.sleep(max(0.0, begin + sent / rate - time.monotonic()))
    click.echo(json.dumps({"sent": sent, "size": len(message.data)}))
    time.sleep(2.0)
    node.destroy_node()
    rclpy.shutdown()


def receive(kind: str, seconds: float) -> None:
    """Take the time of observations, until none has come for a while."""
    rclpy.init()
    node = rclpy.create_node("far")
    ages: list[float] = []
    raw = kind == "raw"
    node.create_subscription(
        Image if raw else CompressedImage,
        qos.OBSERVATION if raw else qos.OBSERVATION_COMPRESSED,
        lambda m: ages.append((time.time_ns() - nanoseconds(m.header.stamp)) / 1e9),
        qos.IMAGE,
    )
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    last, heard = time.monotonic() + 60.0, 0
    while time.monotonic() < last + seconds:
        executor.spin_once(timeout_sec=0.1)
        if len(ages) > heard:
            last, heard = time.monotonic(), len(ages)
    quantiles = np.quantile(ages, [0.5, 0.95, 0.99]).round(4).tolist() if ages else []
    click.echo(json.dumps({"received": len(ages), "age_p50_p95_p99": quantiles}))
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()


def measure(kind: str, delay: float, loss: float, rate: float, seconds: float) -> dict:
    """One kind of message over one link."""
    env = os.environ | {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}
    with namespaces() as ends:
        carrier = Carrier(ends, delay, loss)
        roles = []
        for role, space in zip(("send", "receive"), SPACES, strict=True):
            command = ["ip", "netns", "exec", space, sys.executable, __file__, "--role", role, "--kind", kind]
            command += ["--rate", str(rate), "--seconds", str(seconds)]
            roles.append(subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True))  # noqa: S603
        found = {"kind": kind, "delay": delay, "loss": loss, "rate": rate}
        for process in roles:
            printed = process.communicate(timeout=seconds + 240)[0].splitlines()
            if process.returncode or not printed:
                raise click.ClickException(f"{' '.join(process.args)} failed, see above")
            found |= json.loads(printed[-1])  # before it the simulator may say something
        found["megabit_per_s"] = round(8e-6 * carrier.octets / seconds, 2)
        carrier.open = False
        carrier.join()
    return found


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--delay", default=0.02, show_default=True, help="Of each Ethernet frame, each way, s.")
@click.option("--loss", default=0.01, show_default=True, help="Probability that a frame is lost.")
@click.option("--rate", default=10.0, show_default=True, help="Observations per s.")
@click.option("--seconds", default=20.0, show_default=True, help="For each kind.")
@click.option("--kind", type=click.Choice(KINDS), help="Only this one.")
@click.option("--role", type=click.Choice(["send", "receive"]), hidden=True)
def main(delay: float, loss: float, rate: float, seconds: float, kind: str | None, role: str | None) -> None:
    """Send observations over a slow, lossy link and print how they arrive, one JSON object a kind."""
    if role == "send":
        send(kind or "raw", rate, seconds)
    elif role == "receive":
        receive(kind or "raw", 10.0)
    else:
        for chosen in [kind] if kind else KINDS:
            click.echo(json.dumps(measure(chosen, delay, loss, rate, seconds)))


if __name__ == "__main__":
    main()
