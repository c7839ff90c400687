# SPDX-License-Identifier: Apache-2.0
"""Planner: observations and a goal in, commands out.

The world model works on one worker thread, which no other thread enters; the node's thread keeps the newest frame
(one slot, the latest wins), hands it over when the worker is free, and sends the next step of the newest plan at each
tick of a 10 Hz timer. In lockstep there is no timer: each new frame is answered by exactly one command (a frame that is
repeated, by the same command: it was lost), and planning happens every `execute` frames.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable

import numpy as np
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.publisher import Publisher
from rclpy.timer import Timer
from sensor_msgs.msg import Image
from std_msgs.msg import String

from swm_core.environment import load_environment
from swm_core.errors import SwmError
from swm_core.planning.controller import Controller
from swm_msgs.msg import Command, GoalStatus, GuardStatus, PlanStats, ResultCode, SceneState
from swm_msgs.msg import Plan as PlanMessage
from swm_msgs.srv import AskQuestion
from swm_ros import qos
from swm_ros.ask import Asker
from swm_ros.conversions import action_to_twist, nanoseconds, stamp_of
from swm_ros.diagnostics import Health
from swm_ros.explaining import Explainer
from swm_ros.frame_clock import OTHER_CLOCK, FrameClock
from swm_ros.goal_server import GoalServer
from swm_ros.goals import Goal
from swm_ros.images import Reader
from swm_ros.lifecycle import ManagedNode, run
from swm_ros.plan_messages import Numbered, plan_message, plan_stats, planning_health
from swm_ros.planner_config import PlannerNodeConfig, collect_garbage, load_controller, load_goal_parser
from swm_ros.planning_worker import Frame, Planned, PlanningWorker
from swm_ros.schedule import SAFE_ACTION, ActivePlan, CommandSchedule, Step, Window


class Planner(ManagedNode[PlannerNodeConfig]):
    """The node."""

    commands: Publisher
    silence: Timer

    def __init__(
        self, make_controller: Callable[[PlannerNodeConfig], Controller] = load_controller, **kwargs: object
    ) -> None:
        """Declare parameters; `make_controller` is for other models with the same interface."""
        super().__init__("planner", PlannerNodeConfig, **kwargs)
        self._make_controller = make_controller
        self.lockstep = self.config.mode == "lockstep"
        self.frame: Frame | None = None
        self.clock = FrameClock(self.config.observation_timeout)
        self._told_offset = 0.0  # s, of the camera's clock
        self.worker: PlanningWorker | None = None
        self._plan_id, self._late_plans = 0, 0
        self._missed = 0  # plans that were stopped by their deadline
        self._newest: PlanStats | None = None
        self._unpublished: list[Numbered] = []  # told right after a command, when the next is far
        self._episode: int | None = None  # of the simulator
        self._begun = 0  # stamp of the first scene of an episode that followed another, ns
        self._answered = -1  # stamp of the newest frame that was answered (lockstep) or planned for
        self._answer: Command | None = None  # what answered it, in lockstep

    def setup(self) -> None:
        """Load the model, create the entities."""
        config = self.config
        entry = load_environment(config.environment)
        self.spec = entry.spec
        camera = self.spec.camera
        self.reader = Reader(camera.width, camera.height, lambda text: self.get_logger().error(text))
        ready = self.create_guard_condition(self.collect)
        self.own(lambda: self.destroy_guard_condition(ready))
        self.worker = PlanningWorker(lambda: self._make_controller(config), ready.trigger, config.niceness)
        self.schedule = CommandSchedule(
            self.spec.control_period, self.spec.action_dim, config.latency, config.planning_time
        )
        names = config.objects or self.spec.default_objects
        parse = load_goal_parser(config, self.get_logger().warning)
        self.goals = GoalServer(self, entry, names, self.begin, self.finish_goal, parse)
        self.commands = self.advertise(Command, qos.COMMAND_RAW, qos.COMMAND)
        self.plans = self.advertise(PlanMessage, qos.PLAN, qos.RECORD)
        self.stats = self.advertise(PlanStats, qos.PLAN_STATS, qos.RECORD)
        self.explainer = Explainer(self, self.spec, self.worker)
        self.listen(Image, qos.OBSERVATION, self.on_observation, qos.IMAGE)
        self.listen(GuardStatus, qos.GUARD_STATUS, lambda status: self.goals.outrun(status.epoch), qos.STATUS)
        if config.objects_from_scene:
            self.listen(SceneState, qos.SCENE_STATE, self.on_scene, qos.RECORD)
        asker = Asker(self, self.spec, self.worker, lambda: self.frame)
        self.serve(AskQuestion, "~/ask", asker.answer, ReentrantCallbackGroup())
        self.every(self.spec.control_period, self.tick)
        self.silence = self.every(config.observation_timeout, self.on_silence)
        self.own(lambda: collect_garbage("default"))
        collect_garbage(config.garbage)

    def start(self) -> None:
        """Wait for goals; frames from before a pause are not used."""
        self.frame = None
        self.schedule.clear()
        self.goals.idle()
        if self.config.goal:
            self.goals.on_text(String(data=self.config.goal))

    def stop(self) -> None:
        """End the goal and leave the robot standing."""
        self.goals.end(GoalStatus.ABORTED, ResultCode.SHUTDOWN, "the planner is ending")
        self.send_zero()

    def close(self) -> None:
        """End the worker."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None

    def begin(self, goal: Goal) -> None:
        """A goal was accepted: plan for it from the newest frame."""
        self.schedule.clear()
        if not self.lockstep:  # there a frame that was answered must not be answered again
            self._answered = -1
        self.dispatch()

    def finish_goal(self, goal: Goal) -> None:
        """A goal has ended: no more motion for it."""
        self.schedule.clear()
        self.send_zero()

    def on_scene(self, message: SceneState) -> None:
        """Take the objects' names from the simulator, and begin anew in realtime when it plays another episode."""
        self.goals.names = tuple(o.name for o in message.objects)
        before, self._episode = self._episode, message.episode
        stamp = nanoseconds(message.header.stamp)
        if self.lockstep or before in (None, message.episode):  # in lockstep a gap in the frames' stamps tells
            self._begun = min(self._begun, stamp)  # the clock was set back
            return
        self._begun = stamp
        self.forget_scene()
        if self.frame is not None:  # one that is already of the new episode is planned for again
            self._answered = -1 if self.frame.stamp >= self._begun else self.frame.stamp
            self.dispatch()

    def forget_scene(self) -> None:
        """Another scene: neither what was planned nor how far the task had come fits it."""
        self.schedule.clear()
        if self.worker is not None:
            self.worker.forget()

    def on_observation(self, message: Image) -> None:
        """Keep the newest frame and use it when the worker is free; one that is malformed or late counts as none."""
        image = self.reader.read(message)
        if image is None:
            return
        received, stamp = time.monotonic(), nanoseconds(message.header.stamp)
        if 0 < self._begun - stamp < OTHER_CLOCK * 1e9:
            return  # of the episode before
        age = 0.0 if self.lockstep else self.clock.age(stamp, self.get_clock().now().nanoseconds, received)
        self.tell_offset()
        if age is None:
            return
        previous = self.frame.stamp if self.frame else None
        self.frame = Frame(image, stamp, received, received - age)
        self.silence.reset()
        if self.lockstep and stamp == self._answered:
            self.answer_again()
        if self.lockstep and previous is not None and abs(stamp - previous) > 1.5e9 * self.spec.control_period:
            self.forget_scene()  # frames are missing or another episode began
        self.dispatch()

    def tell_offset(self) -> None:
        """Say it once when the camera's clock is held for another."""
        offset = self.clock.offset
        if abs(offset - self._told_offset) > self.config.observation_timeout:
            self._told_offset = offset
            side, way = "before" if offset > 0 else "after", "taken for another clock; synchronize the two"
            self.get_logger().warning(f"frames are stamped {abs(offset):.1f} s {side} this machine's time: {way}")

    def dispatch(self) -> None:
        """Answer the newest frame from the present plan (lockstep), or give it to the worker if that is free."""
        goal, frame = self.goals.pursued, self.frame
        if goal is None or frame is None or self.worker is None or self.worker.busy or frame.stamp == self._answered:
            return
        now = time.monotonic()
        if self.lockstep:
            plan = self.schedule.plan
            if plan is not None and self.schedule.tick - plan.base < self.config.planner.execute:
                self.answer_frame()
                return
            window = Window(self.schedule.tick, np.zeros((0, self.spec.action_dim), np.float32), math.inf)
        else:
            if now - frame.received > self.config.observation_timeout:
                return
            if self.config.overlap:
                window = self.schedule.window(frame.taken, now, self.config.planner.horizon)
            elif self.schedule.plan is None and frame.taken >= self.schedule.rests_since:
                window = Window(self.schedule.tick, np.zeros((0, self.spec.action_dim), np.float32), math.inf)
            else:
                return
            self._answered = frame.stamp
        self.worker.plan(frame, window, goal.epoch, goal.task)

    def collect(self) -> None:
        """Take finished jobs from the worker."""
        for job in self.worker.finished() if self.worker else ():
            try:
                self.use(job.result())
            except SwmError as error:
                self.goals.end(GoalStatus.ABORTED, ResultCode.PLANNING_FAILED, f"planning failed: {error}")
            except Exception as error:
                self.get_logger().error(f"planning failed: {error!r}")
                self.goals.end(GoalStatus.ABORTED, ResultCode.UNKNOWN, f"planning failed: {type(error).__name__}")
        if self.active:
            self.dispatch()

    def use(self, made: Planned) -> None:
        """Execute a plan from now on, if its goal is still pursued."""
        goal = self.goals.pursued
        if not self.active or goal is None or goal.epoch != made.epoch:
            return
        if self.lockstep and self.frame is not None and self.frame.stamp != made.frame.stamp:
            return  # a newer frame came although this one was not answered: an episode began; plan for that
        late = not self.lockstep and self.config.overlap and self.schedule.late(made.window)
        self.schedule.observe_latency(made.ended - made.begun)
        self._plan_id, self._late_plans = self._plan_id + 1, self._late_plans + late
        self._unpublished.append(Numbered(made, self._plan_id, goal, time.monotonic(), late, self._late_plans))
        self.goals.progress(made.plan, made.subgoal)
        step = None
        if made.finished and self.config.stop_when_complete:
            self.goals.end(GoalStatus.SUCCEEDED, ResultCode.OK, f"complete with probability {made.plan.completion:.2f}")
        elif made.given_up:
            self.goals.end(GoalStatus.ABORTED, ResultCode.TIMEOUT, made.given_up)
        else:
            base = made.window.base if self.lockstep or self.config.overlap else self.schedule.tick
            self.schedule.install(ActivePlan(self._plan_id, made.plan.actions, base, made.frame.stamp))
            step = self.answer_frame() if self.lockstep else None
        if self.lockstep:
            self.publish_plans(step)

    def answer_frame(self) -> Step | None:
        """Lockstep: send exactly one command for the newest frame, and return it."""
        step = self.schedule.take(time.monotonic())
        if step is not None and self.frame is not None:
            self._answered = self.frame.stamp
            self.send(step)
        return step

    def answer_again(self) -> None:
        """Lockstep: the answer to a frame was lost or refused, as the frame is repeated; a newer goal answers anew."""
        goal, answer = self.goals.pursued, self._answer
        if goal is not None and answer is not None and answer.epoch == goal.epoch:
            self.commands.publish(answer)
        else:
            self._answered = -1

    def tick(self) -> None:
        """Realtime: send the next step of the newest plan, or zero; in both modes end a goal whose time is over."""
        now = time.monotonic()
        self.goals.check_timeout(now)
        if self.lockstep:
            return
        if not self.config.overlap:
            self.schedule.rest_after(self.config.planner.execute, now)
        step, silent = None, self.frame is None or now - self.frame.received > self.config.observation_timeout
        if self.goals.pursued is None or silent:
            self.schedule.record(now, np.zeros(self.spec.action_dim, np.float32))
            self.on_silence()
        elif (step := self.schedule.take(now)) is None:
            self.send_zero()
        else:
            self.send(step)
        self.publish_plans(step)

    def on_silence(self) -> None:
        """No frame came for too long: hold the motion, say why; it goes on when frames return."""
        if self.goals.pursued is None or self.lockstep:
            return
        self.schedule.clear()
        self.send_zero()
        late = f"; {self.clock.late} were too old" if self.clock.late else ""
        self.goals.wait(f"no camera frame for {self.config.observation_timeout:.2f} s on {qos.OBSERVATION}{late}")

    def send(self, step: Step) -> None:
        """Publish one step of a plan."""
        goal = self.goals.pursued
        if goal is None or self.frame is None:
            return
        twist, gripper = action_to_twist(step.action, self.spec)
        command = Command(twist=twist, gripper=gripper, plan_id=step.plan.plan_id, step=step.index, epoch=goal.epoch)
        command.observation_stamp = stamp_of(step.plan.observation)
        command.answered_stamp = stamp_of(self.frame.stamp)
        goal.steps += 1
        self._answer = command
        self._stamp_and_publish(command)

    def send_zero(self) -> None:
        """Publish the safe action."""
        command = Command(plan_id=SAFE_ACTION, epoch=self.goals.goal.epoch if self.goals.goal else 0)
        command.twist.header.frame_id = "world"
        self._stamp_and_publish(command)

    def _stamp_and_publish(self, command: Command) -> None:
        command.header.stamp = self.get_clock().now().to_msg()
        command.header.frame_id = command.twist.header.frame_id
        command.twist.header.stamp = command.header.stamp
        self.commands.publish(command)

    def publish_plans(self, step: Step | None) -> None:
        """Publish the plans made since the last time, and their numbers; of one of them may be the step just sent."""
        sent, now, made = time.monotonic(), self.get_clock().now().to_msg(), self._unpublished
        self._unpublished = []
        for plan in made:
            first = sent if step is not None and step.plan.plan_id == plan.plan_id else None
            self.plans.publish(plan_message(plan, self.spec, now))
            self._newest = plan_stats(plan, first, now)
            self._missed += self._newest.deadline_missed
            self.stats.publish(self._newest)
            self.explainer.tell(plan, now)
        self.explainer.flush()

    def health(self) -> Health:
        """Whether frames come and plans are made, with the newest plan's numbers."""
        age = time.monotonic() - self.frame.received if self.frame else math.inf
        silent = not self.lockstep and age > self.config.observation_timeout
        model = self.worker.weights if self.worker else ""
        values = {"model": model, "plans": self._plan_id, "late_plans": self._late_plans}
        values |= {"late_frames": self.clock.late, "camera_clock_behind": self.clock.offset}
        return planning_health(self._newest, self.goals.goal, silent, values | {"deadlines_missed": self._missed})


def main() -> None:
    """Run the node as a process."""
    sys.exit(run(Planner))


if __name__ == "__main__":
    main()
