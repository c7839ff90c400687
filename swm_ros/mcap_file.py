# SPDX-License-Identifier: Apache-2.0
"""A recording as MCAP, of the profile that rosbag2 writes: `ros2 bag play` and Foxglove open it. No ROS needed here."""

from __future__ import annotations

import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from swm_core.errors import RecordingError


def recording_path(wanted: Path) -> Path:
    """The file itself, or in a folder one named by the time."""
    return wanted / f"swm_{datetime.now():%Y-%m-%d_%H-%M-%S}.mcap" if wanted.is_dir() else wanted


class McapFile:
    """A file that grows; after an error nothing more can be written, and what was written stays readable.

    Attributes:
        path: where it lies.
        messages: number written.
    """

    def __init__(self, path: Path, reserve: int = 0) -> None:
        """Begin a file; folders are made, a file that exists is never overwritten.

        Args:
            path: where.
            reserve: bytes that must stay free on the disk.

        Raises:
            RecordingError: it cannot be made, the disk is full, or the library `mcap` is missing.
        """
        try:
            from mcap.writer import Writer
        except ImportError as error:
            raise RecordingError(f"recording needs pip install 'swm_ros[records]': {error}") from error
        self.path, self.messages, self._reserve = path, 0, reserve
        self._stream: BinaryIO | None = None
        self._schemas: dict[str, int] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.check_space()
            self._stream = path.open("xb")
            self._writer = Writer(self._stream)
            self._writer.start(profile="ros2", library="swm_ros")
        except OSError as error:
            raise RecordingError(f"cannot record to {path}: {error.strerror}; give another path") from error

    def channel(self, topic: str, kind: str, definition: str, qos: str) -> int:
        """Begin a topic.

        Args:
            topic: its name.
            kind: message type ("std_msgs/msg/String").
            definition: of the type, in the encoding "ros2msg".
            qos: offered profiles as rosbag2 writes them (YAML).

        Returns:
            The number under which its messages are written.
        """
        if kind not in self._schemas:
            self._schemas[kind] = self._writer.register_schema(kind, "ros2msg", definition.encode())
        return self._writer.register_channel(topic, "cdr", self._schemas[kind], {"offered_qos_profiles": qos})

    def write(self, channel: int, data: bytes, received: int, published: int) -> None:
        """Add a message.

        Args:
            channel: from `channel`.
            data: serialized message (CDR).
            received: time of receipt, ns since the epoch.
            published: time of publishing, ns.

        Raises:
            RecordingError: the disk does not take it.
        """
        try:
            self._writer.add_message(channel, received, data, published, self.messages)
        except OSError as error:
            raise self._broken(error) from error
        self.messages += 1

    def metadata(self, name: str, values: dict[str, str]) -> None:
        """Add a record of facts.

        Raises:
            RecordingError: the disk does not take it.
        """
        try:
            self._writer.add_metadata(name, values)
        except OSError as error:
            raise self._broken(error) from error

    def check_space(self) -> None:
        """See that the disk does not run full.

        Raises:
            RecordingError: less than the reserve is free.
        """
        free = shutil.disk_usage(self.path.parent).free
        if free < self._reserve:
            text = (
                f"{free >> 20} MiB free on the disk of {self.path}, {self._reserve >> 20} are left for other programs"
            )
            raise RecordingError(f"{text}; free some space or record elsewhere")

    def close(self) -> None:
        """End the file with its index.

        Raises:
            RecordingError: the disk does not take it; the messages before stay readable.
        """
        if self._stream is None:
            return
        stream, self._stream = self._stream, None
        try:
            self._writer.finish()
            stream.close()
        except OSError as error:
            raise self._broken(error) from error
        finally:
            with suppress(OSError):
                stream.close()

    def _broken(self, error: OSError) -> RecordingError:
        stream, self._stream = self._stream, None
        with suppress(OSError):
            if stream is not None:
                stream.close()
        return RecordingError(f"cannot write {self.path}: {error.strerror}; what was written before can be read")
