# SPDX-License-Identifier: Apache-2.0
"""The demo's client: sends a goal by topic, tells what happens, records it, judges by the true scene."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
import rclpy

from swm_core.errors import BridgeError
from swm_msgs.msg import GoalStatus, Plan
from swm_ros import qos
from swm_ros.client import StackClient
from swm_ros.goals import STATE_NAMES, TERMINAL
from swm_ros.images import to_rgb_numpy
from swm_ros.recording import Recording

STARTUP = 120.0  # s for the nodes to come up, on a busy machine
TELL_EVERY = 0.5  # s
EPILOGUE = 1.0  # s of film after the goal is reached


class Demo:
    """One run from goal to outcome."""

    def __init__(self, client: StackClient) -> None:
        """Listen to plans and to the monitor's picture."""
        self.client, self.recording = client, Recording()
        self.begun = time.monotonic()
        self._told = 0.0
        self._ended: float | None = None
        client.on_plan(self._on_plan)
        client.on_image(qos.MONITOR_IMAGE, lambda image: self.recording.frames.append(to_rgb_numpy(image)))

    def run(self, goal: str, timeout: float) -> bool:
        """Pursue a goal.

        Args:
            goal: goal text.
            timeout: longest time from goal to success, s.

        Returns:
            Whether the goal came to hold in the true scene.

        Raises:
            BridgeError: the stack does not come up or does not answer.
        """
        client = self.client
        client.wait_ready(STARTUP)
        client.wait(lambda: bool(self.recording.frames), STARTUP, "the monitor's picture")
        self.recording.frames.clear()
        self.begun = time.monotonic()
        tell(f"goal by topic {qos.GOAL_TEXT}: {goal!r}")
        status = client.send_goal(goal)
        if status.state == GoalStatus.REFUSED:
            tell(f"refused: {status.message}")
            return False
        try:
            client.wait(lambda: self._reached() or self._given_up(), timeout, "success")
        except BridgeError:
            tell(f"not reached within {timeout:.0f} s")
        if self._reached():
            self.recording.reached = time.monotonic() - self.begun
            client.spin(EPILOGUE)
        return self._outcome()

    def _reached(self) -> bool:
        return bool(self.client.episode and self.client.episode.goal_reached)

    def _given_up(self) -> bool:
        """Whether the goal has ended; the truth may come a moment after the planner's belief."""
        goal = self.client.goal
        if goal is None or goal.state not in TERMINAL:
            self._ended = None
        elif self._ended is None:
            self._ended = time.monotonic()
        return self._ended is not None and time.monotonic() - self._ended > EPILOGUE

    def _outcome(self) -> bool:
        goal, reached = self.client.goal, self.recording.reached
        believed = STATE_NAMES[goal.state] + (f" ({goal.message})" if goal.message else "") if goal else "unknown"
        truth = f"reached after {reached:.1f} s" if reached is not None else "not reached"
        tell(f"true scene: {truth}; planner: {believed}")
        return reached is not None

    def _on_plan(self, plan: Plan) -> None:
        now, record = time.monotonic() - self.begun, self.recording
        record.times.append(now)
        record.probabilities.append(list(plan.now))
        record.completion.append(plan.completion)
        record.proposed.append(plan.values[0])
        record.refined.append(plan.value)
        record.questions = list(plan.questions)
        if now - self._told >= TELL_EVERY:
            self._told = now
            parts = [f"{q} {p:.2f}" for q, p in zip(plan.questions, plan.now, strict=True)]
            tell(f"{now:5.1f} s  value {plan.values[0]:.2f} -> {plan.value:.2f}   " + "   ".join(parts))


def tell(line: str) -> None:
    """Write a line for people."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@click.command()
@click.option("--goal", required=True, help="Goal text.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True, help="Film, plot.")
@click.option("--timeout", default=45.0, show_default=True, help="Longest time from goal to success, s.")
def main(goal: str, out: Path, timeout: float) -> None:
    """Send a goal to the running stack, tell what happens, record it; exit status 0 tells success."""
    rclpy.init()
    client = StackClient("demo")
    demo, success = Demo(client), False
    try:
        success = demo.run(goal, timeout)
    except BridgeError as error:
        tell(str(error))
    for path in demo.recording.save(out):
        tell(f"written: {path}")
    client.close()
    rclpy.try_shutdown()
    sys.exit(0 if success else 1)


if __name__ == "__main__":
    main()
