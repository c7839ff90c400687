# SPDX-License-Identifier: Apache-2.0
"""Reads a recording of the stack, also one that was cut off, and one that `ros2 bag record` made of the same topics."""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import numpy as np

from swm_core.environment import EnvironmentEntry, load_environment
from swm_core.errors import RecordingError
from swm_core.records.messages import nanoseconds, task_from_message
from swm_core.records.names import ACTIVE_GOAL, DIAGNOSTICS, OBSERVATION, PARAMETERS_RECORD
from swm_core.tasks.task import Task

IMAGE = "sensor_msgs/msg/Image"  # large: read one after the other when they are wanted


@dataclass(frozen=True)
class Logged:
    """One message.

    Attributes:
        received: when the recorder got it, ns of the ROS clock.
        message: its fields, as attributes.
    """

    received: int
    message: Any


@dataclass(frozen=True)
class RecordedFrame:
    """One observation.

    Attributes:
        stamp: of its header, ns.
        received: ns of the ROS clock.
        image: (H, W, 3) uint8 RGB.
    """

    stamp: int
    received: int
    image: np.ndarray


@dataclass(frozen=True)
class RecordedGoal:
    """A goal that was accepted.

    Attributes:
        goal_id: its name in other messages.
        received: ns of the ROS clock.
        task: what was to become true.
    """

    goal_id: str
    received: int
    task: Task


@dataclass
class Recording:
    """All messages of a recording but its images, by topic, in the order in which they came.

    Attributes:
        path: the file.
        topics: messages by topic.
        parameters: settings by node ("/swm/planner"), by name; empty where the recorder did not ask for them.
        whole: False where the file's end is missing.
    """

    path: Path
    topics: dict[str, list[Logged]] = field(default_factory=lambda: defaultdict(list))
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    whole: bool = True

    def of(self, topic: str) -> list[Logged]:
        """Messages of a topic; empty if there are none."""
        return self.topics.get(topic, [])

    @property
    def begin(self) -> int:
        """When the first message came, ns."""
        return min((messages[0].received for messages in self.topics.values() if messages), default=0)

    @property
    def environment(self) -> str | None:
        """Name of the environment, where the planner's settings were recorded."""
        return self.parameters.get("/swm/planner", {}).get("environment")

    @property
    def model(self) -> str:
        """Hash of the weights that planned, as the planner reported it; empty where it did not."""
        for logged in self.of(DIAGNOSTICS):
            for status in logged.message.status:
                found = next((v.value for v in status.values if v.key == "model" and v.value), "")
                if found:
                    return str(found)
        return ""

    def goals(self) -> list[RecordedGoal]:
        """The goals that were accepted, in order."""
        return [
            RecordedGoal(logged.message.goal_id, logged.received, task_from_message(logged.message.task))
            for logged in self.of(ACTIVE_GOAL)
        ]

    def frames(self) -> Iterator[RecordedFrame]:
        """The observations, read from the file one by one; a simulator in lockstep repeats some, which come once.

        Raises:
            RecordingError: one is not rgb8.
        """
        last = -1
        for record in _Records(self.path):
            if record.topic == OBSERVATION:
                message = record.decode()
                stamp = nanoseconds(message.header.stamp)
                if stamp == last:
                    continue
                last = stamp
                if message.encoding != "rgb8":
                    raise RecordingError(f"{self.path}: observations are {message.encoding}, expected rgb8")
                shape = (message.height, message.width, 3)
                image = np.frombuffer(message.data, np.uint8).reshape(shape).copy()  # writeable, as torch wants it
                yield RecordedFrame(stamp, record.received, image)


def environment_entry(recording: Recording, name: str | None = None) -> EnvironmentEntry:
    """The environment of a recording.

    Args:
        recording: that tells it, where the planner's settings are in it.
        name: to take instead.

    Raises:
        RecordingError: neither tells it.
        ConfigError: there is no such environment.
    """
    found = name or recording.environment
    if found is None:
        raise RecordingError(f"{recording.path}: does not tell its environment; name it with --env")
    return load_environment(found)


def read_recording(path: Path) -> Recording:
    """Read a recording.

    Args:
        path: MCAP file, or a bag folder with one.

    Raises:
        RecordingError: no such file, no MCAP, or nothing of the stack in it.
    """
    file = _file(path)
    recording, records = Recording(file), _Records(file)
    for record in records:
        if record.kind != IMAGE:
            recording.topics[record.topic].append(Logged(record.received, record.decode()))
    for name, values in records.metadata:
        if name == PARAMETERS_RECORD:
            settings = {key: json.loads(value) for key, value in values.items() if key != "node"}
            recording.parameters[values["node"]] = settings
    recording.whole = records.whole
    if not recording.topics:
        raise RecordingError(f"{file}: no messages in it; was the stack running?")
    return recording


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.mcap"))
    if len(found) != 1:
        raise RecordingError(f"{path} holds {len(found)} MCAP files; name the one to read")
    return found[0]


@dataclass(frozen=True)
class _Record:
    topic: str
    kind: str
    received: int
    data: bytes
    decoder: Any

    def decode(self) -> SimpleNamespace:
        message: SimpleNamespace = self.decoder(self.data)
        return message


class _Records:
    """Messages from first to last; metadata is gathered on the way, and a missing end is no error."""

    def __init__(self, path: Path) -> None:
        self.path, self.whole = path, True
        self.metadata: list[tuple[str, dict[str, str]]] = []

    def __iter__(self) -> Iterator[_Record]:
        try:
            with self.path.open("rb") as stream:
                yield from self._read(stream)
        except OSError as error:
            raise RecordingError(f"{self.path}: cannot be read: {error.strerror}") from error

    def _read(self, stream: BinaryIO) -> Iterator[_Record]:
        try:
            from mcap.exceptions import InvalidMagic, McapError
            from mcap.records import Channel, Message, Metadata, Schema
            from mcap.stream_reader import StreamReader
            from mcap_ros2.decoder import DecoderFactory
            from zstandard import ZstdError
        except ImportError as error:
            raise RecordingError(f"recordings need pip install 'swm_ros[records]': {error}") from error
        factory, schemas, channels = DecoderFactory(), {}, {}
        records = StreamReader(stream).records
        while True:
            try:
                record = next(records, None)
            except InvalidMagic as error:
                raise RecordingError(f"{self.path}: not an MCAP file") from error
            except (McapError, ZstdError, struct.error, ValueError) as error:
                if stream.read(1):
                    raise RecordingError(f"{self.path}: damaged: {error!r}") from error
                self.whole = False  # the recorder was killed, or the disk ran full
                return
            if record is None:
                return
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, Metadata):
                self.metadata.append((record.name, dict(record.metadata)))
            elif isinstance(record, Message):
                channel = channels[record.channel_id]
                schema = schemas[channel.schema_id]
                decoder = factory.decoder_for(channel.message_encoding, schema)
                if decoder is not None:
                    yield _Record(channel.topic, schema.name, record.log_time, record.data, decoder)
