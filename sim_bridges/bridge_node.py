# SPDX-License-Identifier: Apache-2.0
"""Bridge: a simulated environment as a camera and a robot. Works for every registered environment.

Realtime: one control period is simulated at each tick of the ROS clock with the newest fresh command, or zero.
Lockstep: one period for each command that answers the newest frame, and nothing in between; frames are stamped with
simulated time. A command whose plan was made from a frame of an earlier episode is never executed.
"""

from __future__ import annotations

import math
import sys
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from sim_bridges.simulation import Episode, Instant, Simulation
from swm_core.environment import DEFAULT_ENVIRONMENT, load_environment
from swm_core.errors import ConfigError, GoalError, SwmError
from swm_core.tasks import parse_goal
from swm_msgs.msg import Command, EpisodeStatus, GoalStatus, ResultCode, SceneState
from swm_msgs.srv import ResetEpisode
from swm_ros import qos
from swm_ros.conversions import action_from_command, camera_info, nanoseconds, pose, scene_to_message, stamp_of, vector
from swm_ros.diagnostics import ERROR, OK, WARN, Health
from swm_ros.images import from_rgb
from swm_ros.lifecycle import ManagedNode, run
from swm_ros.schedule import SAFE_ACTION

RESET_GAP = 10.0  # s of simulated time between episodes in lockstep: frames of two episodes are never neighbours
REPEAT_PERIOD = 0.5  # s after which an unanswered frame is sent again in lockstep, for nodes that began later


@dataclass(frozen=True)
class BridgeConfig:
    """Settings of the bridge.

    Attributes:
        environment: registered environment to simulate.
        mode: "realtime" or "lockstep".
        seed: layout of the first episode.
        objects: names of the objects of the first episode; empty for the environment's default set.
        task: goal text whose truth is checked in the first episode; empty: that of the goal which the planner
            accepts.
        max_steps: steps after which an episode ends in lockstep; 0 takes the environment's.
        command_timeout: age by receipt from which a command is not executed any more (realtime), s.
    """

    environment: str = DEFAULT_ENVIRONMENT
    mode: str = "realtime"
    seed: int = field(default=0, metadata={"range": (0, 2**31 - 1)})
    objects: tuple[str, ...] = ()
    task: str = ""
    max_steps: int = field(default=0, metadata={"range": (0, 1_000_000)})
    command_timeout: float = field(default=0.2, metadata={"range": (0.01, 10.0)})

    def __post_init__(self) -> None:
        """Check the choice.

        Raises:
            ConfigError: the mode is neither of the two.
        """
        if self.mode not in ("realtime", "lockstep"):
            raise ConfigError(f"mode is {self.mode!r}; choose realtime or lockstep")


class Bridge(ManagedNode[BridgeConfig]):
    """The node."""

    config_type: type[BridgeConfig] = BridgeConfig
    images: Publisher

    def __init__(self, **kwargs: object) -> None:
        """Declare parameters."""
        super().__init__("bridge", self.config_type, **kwargs)
        self.simulation: Simulation | None = None
        self.lockstep = self.config.mode == "lockstep"
        self.instant: Instant | None = None
        self.refused = 0
        self.ticks = self.late = 0  # control periods (realtime), and how many passed while the one before was simulated
        self._reported = (0, 0)
        self._failure = ""
        self._job: Future[Instant] | None = None
        self._command: tuple[Command, float] | None = None
        self._task_from_reset = bool(self.config.task)
        self._begun = 0  # stamp of the episode's first frame, ns
        self._stamp = 0  # stamp of the newest frame, ns
        self._executed = -1  # stamp of the newest frame whose answer was executed (lockstep), ns
        self._published = 0.0

    def setup(self) -> None:
        """Build the simulator and the entities, and prepare the first episode."""
        entry = load_environment(self.config.environment)
        self.spec = entry.spec
        self.episode = self._episode(1, self.config.seed, self.config.objects, self.config.task)
        self.simulation = Simulation(lambda: entry.make(images=False))
        self.images = self.advertise(Image, qos.CAMERA_IMAGE, qos.IMAGE)
        self.infos = self.advertise(CameraInfo, qos.CAMERA_INFO, qos.IMAGE)
        self.scenes = self.advertise(SceneState, qos.SCENE_STATE, qos.RECORD)
        self.status = self.advertise(EpisodeStatus, qos.EPISODE_STATUS, qos.STATUS)
        self.setup_robot()
        self.listen(GoalStatus, qos.GOAL_STATUS, self.on_goal_status, qos.STATUS)
        self.serve(ResetEpisode, qos.RESET_EPISODE, self.on_reset)
        self._ready = self.create_guard_condition(self.collect)
        self.own(lambda: self.destroy_guard_condition(self._ready))
        if self.lockstep:
            self.every(REPEAT_PERIOD / 2, self.repeat)
        else:
            clock = self.get_clock()  # the system's may be set back, and a timer on it would stand still meanwhile
            self.every(self.spec.control_period, self.tick, clock if clock.ros_time_is_active else None)

    def setup_robot(self) -> None:
        """Create what a robot has: where commands come in and where the effector's pose goes."""
        self.poses = self.advertise(PoseStamped, qos.EFFECTOR_POSE, qos.COMMAND)
        self.listen(Command, qos.COMMAND_SAFE, self.on_command, qos.COMMAND)

    def start(self) -> None:
        """Begin the first episode; no command from before a pause is executed."""
        self.begin(self.episode)

    def close(self) -> None:
        """Free the simulator."""
        if self.simulation is not None:
            self.simulation.close()
            self.simulation = None

    def begin(self, episode: Episode) -> None:
        """Reset the simulator; blocks until that is done, as nothing else may happen meanwhile.

        Raises:
            SwmError: the simulator refused the episode; the present one goes on.
        """
        if self.simulation is None:
            raise SwmError("the bridge is not configured")
        instant = self.simulation.reset(episode).result()  # when refused, the present episode goes on
        self._job, self._command = None, None
        self.episode, self.refused, self._failure = episode, 0, ""
        now = self.get_clock().now().nanoseconds
        self._begun = self._stamp + int(RESET_GAP * 1e9) if self.lockstep and self._stamp else now
        self.publish(instant, self._begun)

    def on_command(self, command: Command) -> None:
        """Lockstep: step for the command that answers the newest frame. Realtime: keep it for the next tick."""
        twist = command.twist.twist
        numbers = (*vector(twist.linear), *vector(twist.angular), command.gripper)
        of_plan = command.plan_id != SAFE_ACTION
        old = of_plan and nanoseconds(command.observation_stamp) < self._begun
        if old or not all(math.isfinite(n) for n in numbers):
            self.refused += 1
            return
        if not self.lockstep:
            self._command = (command, time.monotonic())
        elif of_plan:
            answered = nanoseconds(command.answered_stamp)
            if answered == self._executed:
                return  # sent again, as a frame was
            if answered == self._stamp and not self.ended:
                self._executed = answered
                self.advance(action_from_command(command, self.spec))
            else:
                self.refused += 1

    def tick(self) -> None:
        """Realtime: simulate one control period."""
        self.ticks += 1
        if self._job is not None:
            self.late += 1
        if self._job is not None or self.instant is None or self._failure:
            return
        action = np.zeros(self.spec.action_dim, np.float32)
        if self._command is not None and time.monotonic() - self._command[1] < self.config.command_timeout:
            action = action_from_command(self._command[0], self.spec)
        self._next_stamp = self.get_clock().now().nanoseconds  # later commands are not in the next frame
        self.advance(action)

    def advance(self, action: np.ndarray) -> None:
        """Give one step to the simulator's thread."""
        if self.simulation is None:
            return
        if self.lockstep:
            self._next_stamp = self._stamp + round(self.spec.control_period * 1e9)
        self._job = self.simulation.step(action)
        self._job.add_done_callback(lambda _: self._ready.trigger())

    def collect(self) -> None:
        """Publish what the simulator's thread has finished."""
        job = self._job
        if job is None or not job.done():
            return  # the job of an episode that was reset meanwhile
        self._job = None
        try:
            instant = job.result()
        except Exception as error:  # whatever a simulator raises ends the episode, not the node
            self.fail(f"{type(error).__name__}: {error}")
            return
        if self.active:
            self.publish(instant, self._next_stamp)

    def health(self) -> Health:
        """Whether the simulation goes on, and in realtime whether it keeps up."""
        values: dict[str, str | float] = {"episode": self.episode.number, "commands_refused": self.refused}
        values |= {"step": self.instant.step} if self.instant else {}
        ticks, late = self.ticks - self._reported[0], self.late - self._reported[1]
        self._reported = (self.ticks, self.late)
        if self._failure:
            return Health(ERROR, f"the simulator failed: {self._failure}; {qos.RESET_EPISODE} begins anew", values)
        if self.lockstep:
            return Health(OK, "simulating one step for each command", values)
        values |= {"late_periods": self.late}
        if late > ticks / 10:
            way = "free the processor, or use mode:=lockstep"
            return Health(WARN, f"slower than real time: {late} of {ticks} periods were left out; {way}", values)
        return Health(OK, "simulating in real time", values)

    def fail(self, reason: str) -> None:
        """End the episode, as the simulator cannot go on."""
        self._job, self._command, self._failure = None, None, reason
        self.get_logger().error(f"the simulator failed: {reason}")
        self.publish_status()

    def repeat(self) -> None:
        """Lockstep: send an unanswered frame again."""
        if self._job is None and self.instant is not None and time.monotonic() - self._published > REPEAT_PERIOD:
            self.publish(self.instant, self._stamp)

    def publish(self, instant: Instant, stamp: int) -> None:
        """Publish frame, truth and status of one instant; the frame last, as it is what others act on."""
        self.instant, self._stamp, self._published = instant, stamp, time.monotonic()
        self._begun = min(self._begun, stamp)  # the clock was set back
        world = Header(stamp=stamp_of(stamp), frame_id="world")
        camera = Header(stamp=world.stamp, frame_id="camera")
        self.scenes.publish(scene_to_message(instant.scene, world, instant.episode.number, instant.step))
        self.publish_pose(PoseStamped(header=world, pose=pose(instant.scene.effector)))
        self.publish_status()
        info, image = camera_info(self.spec.camera), from_rgb(instant.image)
        info.header = image.header = camera
        self.publish_frame(info, image)

    def publish_pose(self, stamped: PoseStamped) -> None:
        """Tell where the effector is, in the world."""
        self.poses.publish(stamped)

    def publish_frame(self, info: CameraInfo, image: Image) -> None:
        """Send a frame with the calibration of its camera."""
        self.infos.publish(info)
        self.images.publish(image)

    @property
    def end_reason(self) -> int:
        """Why the episode has ended, or NOT_ENDED; only lockstep ends episodes."""
        if self._failure:
            return EpisodeStatus.FAILED
        if not self.lockstep or self.instant is None:
            return EpisodeStatus.NOT_ENDED
        if self.instant.reached_step is not None:
            return EpisodeStatus.SUCCESS
        limit = self.config.max_steps or self.spec.episode_steps
        return EpisodeStatus.STEP_LIMIT if self.instant.step >= limit else EpisodeStatus.NOT_ENDED

    @property
    def ended(self) -> bool:
        """Whether no more steps are taken before a reset."""
        return self.end_reason != EpisodeStatus.NOT_ENDED

    def publish_status(self) -> None:
        """Publish how the episode stands."""
        instant = self.instant
        if instant is None:
            return
        episode = instant.episode
        status = EpisodeStatus(
            episode=episode.number, seed=episode.seed, objects=list(episode.objects), task=episode.task
        )
        status.header = Header(stamp=stamp_of(self._stamp), frame_id="world")
        status.step, status.commands_refused = instant.step, self.refused
        status.state = EpisodeStatus.ENDED if self.ended else EpisodeStatus.RUNNING
        status.goal_reached, status.reached_step = instant.reached_step is not None, instant.reached_step or 0
        status.end_reason, status.message = self.end_reason, self._failure
        self.status.publish(status)

    def on_goal_status(self, status: GoalStatus) -> None:
        """Check the truth of the goal that the planner accepted, unless the episode came with a task of its own."""
        if status.state != GoalStatus.ACCEPTED or self._task_from_reset or self.simulation is None or not self.instant:
            return
        try:
            specs = parse_goal(status.task, self.episode.objects, (self.spec.effector_word,))
        except GoalError:
            specs = ()  # a typed goal with a name of its own: its truth is not known
        self.simulation.set_task(status.task, specs)

    def on_reset(self, request: ResetEpisode.Request, response: ResetEpisode.Response) -> ResetEpisode.Response:
        """Begin another episode."""
        if not self.active or self.simulation is None:
            response.code, response.message = ResultCode.NOT_ACTIVE, "the bridge is not active"
            return response
        try:
            episode = self._episode(self.episode.number + 1, request.seed, tuple(request.objects), request.task)
            self.begin(episode)
        except GoalError as error:
            response.code, response.message = ResultCode.GOAL_UNPARSED, str(error)
        except SwmError as error:
            response.code, response.message = ResultCode.BAD_ARGUMENT, str(error)
        except Exception as error:
            response.code, response.message = ResultCode.SIMULATOR_FAILED, f"{type(error).__name__}: {error}"
            self.fail(response.message)
        else:
            self._task_from_reset = bool(request.task)
            response.code, response.message = ResultCode.OK, f"episode {episode.number}, seed {episode.seed}"
            response.stamp = stamp_of(self._begun)
        response.episode = self.episode.number
        return response

    def _episode(self, number: int, seed: int, objects: tuple[str, ...], task: str) -> Episode:
        """An episode, checked.

        Raises:
            ConfigError: the seed is out of range.
            GoalError: the task is not understood.
        """
        if not 0 <= seed < 2**32:
            raise ConfigError(f"seed is {seed}; allowed 0 to {2**32 - 1}")
        names = objects or self.spec.default_objects
        specs = parse_goal(task, names, (self.spec.effector_word,)) if task else ()
        return Episode(number, seed, names, task, specs)


def main() -> None:
    """Run the node as a process."""
    sys.exit(run(Bridge))


if __name__ == "__main__":
    main()
