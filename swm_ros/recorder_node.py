# SPDX-License-Identifier: Apache-2.0
"""Recorder: writes what the nodes say into an MCAP file, with goals, parameters and the model's hash as metadata.

Messages are written as they came, without being decoded. Nothing depends on this node: where it cannot write, it says
so and stays idle, and the robot goes on.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import deserialize_message

from swm_core.errors import GoalError, RecordingError
from swm_core.records.names import GOAL_RECORD, MODEL_RECORD, PARAMETERS_RECORD
from swm_msgs.msg import Goal
from swm_ros import qos
from swm_ros.conversions import task_from_message
from swm_ros.diagnostics import ERROR, OK, Health
from swm_ros.lifecycle import ManagedNode, run
from swm_ros.mcap_file import McapFile, recording_path
from swm_ros.message_definitions import definition, message_class
from swm_ros.remote_parameters import ask_parameters, known_nodes
from swm_ros.stack import NAMESPACE

DISCOVERY_PERIOD = 0.5  # s
ASK_AGAIN, ASK_AT_MOST = 4, 5  # rounds of discovery until a node is asked again for its parameters; how often it is
TOPICS = (f"{NAMESPACE}/", "/camera/", qos.DIAGNOSTICS, qos.ROSOUT, "/tf", "/tf_static")


@dataclass(frozen=True)
class RecorderConfig:
    """Settings of the recorder.

    Attributes:
        path: file to write, which must not exist, or a folder in which a file named by the time is made.
        topics: beginnings of the names of the topics that are recorded; hidden topics are not.
        exclude: beginnings of the names of those that are not.
        reserve_mb: space that must stay free on the disk, MiB; recording ends before.
    """

    path: str = "."
    topics: tuple[str, ...] = TOPICS
    exclude: tuple[str, ...] = (qos.MONITOR_IMAGE,)
    reserve_mb: int = field(default=256, metadata={"range": (0, 1_000_000)})


class Recorder(ManagedNode[RecorderConfig]):
    """The node."""

    def __init__(self, **kwargs: object) -> None:
        """Declare parameters."""
        super().__init__("recorder", RecorderConfig, **kwargs)
        self.file: McapFile | None = None
        self.path = recording_path(Path(self.config.path).expanduser())
        self.problem = ""
        self._topics: set[str] = set()
        self._answered: set[str] = {self.get_fully_qualified_name()}  # nodes whose parameters are recorded
        self._waited: Counter[str] = Counter()  # rounds of discovery since the others were first seen
        self._model = ""

    def setup(self) -> None:
        """Begin the file and look for topics."""
        try:
            self.file = McapFile(self.path, self.config.reserve_mb << 20)
            self.get_logger().info(f"recording to {self.path}")
        except RecordingError as error:
            self.fail(error)
        self.every(DISCOVERY_PERIOD, self.discover)

    def close(self) -> None:
        """End the file."""
        file, self.file = self.file, None
        self._topics.clear()
        self._answered = {self.get_fully_qualified_name()}
        self._waited.clear()
        if file is None:
            return
        try:
            file.close()
            self.get_logger().info(f"recorded {file.messages} messages to {file.path}")
        except RecordingError as error:
            self.fail(error)

    def fail(self, error: RecordingError) -> None:
        """Stop recording; nothing else stops."""
        file, self.file, self.problem = self.file, None, str(error)
        self.get_logger().error(f"not recording: {error}. Everything else goes on.")
        if file is not None:
            with suppress(RecordingError):  # told already
                file.close()

    def discover(self) -> None:
        """Begin to record the topics, and ask for the parameters of the nodes, that have come up."""
        if self.file is None:
            return
        try:
            self.file.check_space()
        except RecordingError as error:
            self.fail(error)
            return
        for topic, kinds in self.get_topic_names_and_types():
            if topic not in self._topics and self.wanted(topic) and len(kinds) == 1 and self.count_publishers(topic):
                self._topics.add(topic)
                self.record(topic, kinds[0])
        for node in known_nodes(self) - self._answered:
            if node.rpartition("/")[0] == NAMESPACE:
                again, rest = divmod(self._waited[node], ASK_AGAIN)  # a question to a node that comes up can be lost
                self._waited[node] += 1
                if rest == 0 and again < ASK_AT_MOST:
                    ask_parameters(self, node, partial(self.keep_parameters, node))

    def wanted(self, topic: str) -> bool:
        """Whether a topic is to be recorded."""
        return topic.startswith(self.config.topics) and not topic.startswith(self.config.exclude) and "/_" not in topic

    def record(self, topic: str, kind: str) -> None:
        """Subscribe to a topic and write its messages."""
        if self.file is None:
            return
        offered = [info.qos_profile for info in self.get_publishers_info_by_topic(topic)]
        try:
            message, text = message_class(kind), definition(kind)
        except RecordingError as error:
            self.get_logger().warning(f"{topic} is not recorded: {error}")
            return
        channel = self.file.channel(topic, kind, text, qos.offered_yaml(offered))
        write = partial(self.write, topic, channel)
        subscription = self.create_subscription(message, topic, write, qos.adapted(offered), raw=True)
        self.own(partial(self.destroy_subscription, subscription))

    def write(self, topic: str, channel: int, data: bytes, info: dict[str, int]) -> None:
        """Add one message."""
        if self.file is None or not self.active:
            return
        received = self.get_clock().now().nanoseconds
        try:
            self.file.write(channel, data, received, info.get("source_timestamp") or received)
            if topic == qos.ACTIVE_GOAL:
                self.keep_goal(deserialize_message(data, Goal))
            elif topic == qos.DIAGNOSTICS and not self._model:
                self.keep_model(deserialize_message(data, DiagnosticArray))
        except RecordingError as error:
            self.fail(error)

    def keep_goal(self, goal: Goal) -> None:
        """Write what is to become true, whichever way it was asked for."""
        try:
            task = task_from_message(goal.task)
        except GoalError:  # whoever published it is not our planner
            return
        if self.file is not None:
            facts = {"goal_id": goal.goal_id, "name": task.name, "task": json.dumps(asdict(task))}
            self.file.metadata(GOAL_RECORD, facts)

    def keep_model(self, report: DiagnosticArray) -> None:
        """Write which model plans, as its planner reports it."""
        for status in report.status:
            values = {value.key: value.value for value in status.values}
            if self.file is not None and values.get("model"):
                self._model = values["model"]
                self.file.metadata(MODEL_RECORD, {"node": status.name, "weights": self._model})

    def keep_parameters(self, node: str, values: dict[str, object]) -> None:
        """Write a node's settings."""
        if self.file is None or node in self._answered:
            return
        self._answered.add(node)
        try:
            self.file.metadata(PARAMETERS_RECORD, {"node": node} | {name: json.dumps(v) for name, v in values.items()})
        except RecordingError as error:
            self.fail(error)

    def health(self) -> Health:
        """Whether it records, and how much."""
        if self.file is None:
            return Health(ERROR, f"not recording: {self.problem}")
        counts = {"messages": self.file.messages, "topics": len(self._topics), "settings": len(self._answered) - 1}
        return Health(OK, f"recording to {self.path}", counts)


def main() -> None:
    """Run the node as a process."""
    sys.exit(run(Recorder))


if __name__ == "__main__":
    main()
