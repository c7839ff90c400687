# SPDX-License-Identifier: Apache-2.0
"""The page: image and goal on top, below it what is thought and done, and questions about a drawn future."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import numpy as np
from nicegui import events, ui

from swm_core.errors import SwmError
from swm_core.scene import SceneState
from swm_core.tasks.goal_text import examples
from swm_msgs.msg import GuardStatus
from swm_ros.conversions import positions, scene_from_message
from swm_ros.drawing import GUARD_STATES
from swm_ros.goals import STATE_NAMES
from swm_ros.markers import candidate_paths
from swm_ros.web.charts import attention_pictures, gains_table, lines, nodes_table, polyline
from swm_ros.web.drawn_path import path_actions
from swm_ros.web.happened import Happened
from swm_ros.web.seen import HISTORY

if TYPE_CHECKING:
    from swm_ros.web.web_monitor_node import WebMonitor

QUICK, SLOW = 0.2, 0.5  # s between renewals of texts and of curves
LONGEST = 20  # actions that the models look ahead
LATELY = (-HISTORY, 0)
CARD = "w-full p-3 gap-2"


class Page:
    """One visitor's page.

    Args:
        node: what it shows and asks.
    """

    def __init__(self, node: WebMonitor) -> None:
        self.node, self.seen = node, node.seen
        self.drawn: list[tuple[float, float]] = []
        self.drawing = False
        self.plan_shown = self.attention_shown = 0

    def build(self) -> None:
        """Lay out the page and begin to renew it."""
        ui.add_css("body { background: #16181d } .q-card { background: #1f2229 } .nicegui-content { padding: 8px }")
        with ui.row().classes("w-full items-start gap-3"):
            with ui.column().classes("w-full lg:w-[46%] gap-3"):
                self._camera()
                self._goal()
                self._safety()
            with ui.column().classes("w-full lg:w-[52%] gap-3"):
                self._thoughts()
                self._future()
                self._nodes()
        ui.timer(QUICK, self.renew_texts)
        ui.timer(SLOW, self.renew_curves)

    def _camera(self) -> None:
        camera = self.node.spec.camera
        with ui.card().classes(CARD):
            self.image = (
                ui.interactive_image(
                    "/frames",
                    size=(camera.width, camera.height),
                    on_mouse=self.on_mouse,
                    events=["mousedown", "mousemove", "mouseup", "touchstart", "touchmove", "touchend"],
                    cross=False,
                )
                .classes("w-full rounded")
                .style("touch-action: none")
                .props('data-testid="camera"')
            )
            self.state = ui.label().classes("text-base").props('data-testid="state"')
            with ui.row().classes("w-full items-center gap-2"):
                self.subgoal = ui.label().classes("text-sm text-gray-300")
                self.completion = ui.linear_progress(0.0, show_value=False).classes("grow")

    def _goal(self) -> None:
        self.suggested: tuple[str, ...] = ()
        with ui.card().classes(CARD):
            with ui.row().classes("w-full items-center gap-2 no-wrap"):
                self.goal = (
                    ui.input("What should become true?", placeholder="push the red moon to the green star")
                    .classes("grow")
                    .props('data-testid="goal" clearable')
                    .on("keydown.enter", self.send_goal)
                )
                ui.button("Go", on_click=self.send_goal).props('data-testid="go"')
                ui.button("Cancel", on_click=lambda: self.do(self.node.cancel)).props('flat data-testid="cancel"')
            self.suggestions = ui.row().classes("gap-1")
            self.refusal = ui.label().classes("text-sm text-red-300").props('data-testid="refusal"')
            with ui.row().classes("w-full items-center gap-2") as self.simulator:
                self.seed = ui.number("seed", value=0, min=0, precision=0).classes("w-24").props('data-testid="seed"')
                ui.button("New layout", on_click=self.reset).props('outline data-testid="reset"')
                self.episode = ui.label().classes("text-sm text-gray-300").props('data-testid="episode"')

    def _safety(self) -> None:
        with ui.card().classes(CARD), ui.row().classes("w-full items-center gap-3"):
            stop = ui.button("STOP", color="red", on_click=lambda: self.do(self.node.stop_robot))
            stop.classes("text-lg px-8").props('data-testid="estop"')
            ui.button("Release", on_click=lambda: self.do(self.node.release)).props('outline data-testid="release"')
            with ui.column().classes("gap-0 grow"):
                self.guard = ui.label().props('data-testid="guard"')
                self.causes = ui.label().classes("text-xs text-gray-400")

    def _thoughts(self) -> None:
        with ui.card().classes(CARD):
            ui.label("Probability of the wanted answers now").classes("text-sm text-gray-300")
            self.answers = ui.echart(lines({}, "s", LATELY)).classes("w-full h-44").props('data-testid="answers"')
            with ui.element().classes("w-full grid grid-cols-1 md:grid-cols-2 gap-2"):
                with ui.column().classes("min-w-0 gap-1"):
                    ui.label("Value per iteration of the last plan").classes("text-sm text-gray-300")
                    self.values = ui.echart(lines({}, "iteration", high=None)).classes("w-full h-36")
                with ui.column().classes("min-w-0 gap-1"):
                    ui.label("Speed of commands, m/s").classes("text-sm text-gray-300")
                    self.speeds = ui.echart(lines({}, "s", LATELY, None)).classes("w-full h-36")
            self.gains = ui.html("", sanitize=False).classes("text-sm w-full").props('data-testid="gains"')
            with ui.expansion("Where each question looks").classes("w-full text-sm").props('data-testid="looking"'):
                self.attention = ui.html("", sanitize=False).classes("w-full").props('data-testid="attention"')
            self.timing = ui.label().classes("text-xs text-gray-400").props('data-testid="timing"')

    def _future(self) -> None:
        with ui.card().classes(CARD):
            ui.label("Ask the future: draw a path on the image, then ask").classes("text-sm text-gray-300")
            first = self.node.spec.default_objects[0]
            self.questions = (
                ui.textarea(value=f"Is the {self.node.spec.effector_word} touching the {first}?")
                .classes("w-full")
                .props('autogrow dense outlined data-testid="questions"')
            )
            with ui.row().classes("gap-2"):
                ui.button("Ask", on_click=lambda: self.do(self.ask)).props('data-testid="ask"')
                ui.button("Ask and go there", on_click=lambda: self.do(lambda: self.ask(go=True))).props(
                    'outline data-testid="go_there"'
                )
                ui.button("Clear", on_click=self.clear).props("flat")
            self.future = ui.echart(lines({}, "actions")).classes("w-full h-44").props('data-testid="future"')
            self.told = ui.label().classes("text-sm text-gray-300").props('data-testid="told"')

    def _nodes(self) -> None:
        with ui.card().classes(CARD):
            self.nodes = ui.html("", sanitize=False).classes("text-sm").props('data-testid="nodes"')

    async def do(self, action: Callable[[], Awaitable[str]]) -> None:
        """Run what a button asks for, and tell what came of it."""
        try:
            ui.notify(await action())
        except SwmError as error:
            ui.notify(str(error), type="negative")

    def send_goal(self) -> None:
        """Send what stands in the goal box."""
        text = (self.goal.value or "").strip()
        if text:
            self.node.send_goal(text)

    async def reset(self) -> None:
        """Begin another episode with the seed given."""
        await self.do(lambda: self.node.reset(int(self.seed.value or 0)))

    def on_mouse(self, event: events.MouseEventArguments) -> None:
        """Draw while the button or the finger is down."""
        if event.type in ("mousedown", "touchstart"):
            self.drawn, self.drawing = [], True
        if self.drawing:
            self.drawn.append((event.image_x, event.image_y))
            self.renew_overlay()
        if event.type in ("mouseup", "touchend"):
            self.drawing = False

    def clear(self) -> None:
        """Forget the drawn path."""
        self.drawn, self.told.text = [], ""

    async def ask(self, go: bool = False) -> str:
        """Ask the questions about the drawn path, and if wanted go along it and ask again on the way."""
        asked = [line.strip() for line in (self.questions.value or "").splitlines() if line.strip()]
        start = self.seen.effector
        if start is None:
            raise SwmError("where the effector is is not known yet")
        actions = path_actions(np.array(self.drawn), start, self.node.spec, LONGEST)
        foreseen = await self.node.ask(asked, actions)
        curves = {
            q: [[t, round(float(p), 4)] for t, p in enumerate(row)] for q, row in zip(asked, foreseen, strict=True)
        }
        self.show_future(curves)
        if not go:
            return f"{len(actions)} actions foreseen"
        truth = Happened(self.scene, asked, self.node.questions)
        happened: dict[str, list[list[float]]] = {f"{q} (happened)": [] for q in asked}

        async def look(step: int) -> None:
            answers = truth.answers(self.scene)
            if None in answers:  # the model's own answer about the frame is what is left
                now = await self.node.ask(asked, np.zeros((0, self.node.spec.action_dim), np.float32))
                answers = [float(row[0]) if known is None else known for known, row in zip(answers, now, strict=True)]
            for curve, answer in zip(happened.values(), answers, strict=True):
                curve.append([step, round(float(answer), 4)])

        await self.node.drive(actions, look)
        self.show_future(curves | happened)
        return "foreseen beside what happened"

    @property
    def scene(self) -> SceneState | None:
        """The simulator's truth; None on a robot."""
        return None if self.seen.scene is None else scene_from_message(self.seen.scene)

    def show_future(self, curves: dict[str, list[list[float]]]) -> None:
        """Draw the curves, and the last numbers in words."""
        self.future.options.update(lines(curves, "actions"))
        self.future.update()
        self.told.text = "   ".join(f"{name} {100 * curve[-1][1]:.0f} %" for name, curve in curves.items() if curve)

    def renew_overlay(self) -> None:
        """Draw on the image what is planned, the proposal and candidates thin, and what was drawn."""
        plan, camera, shapes = self.seen.plan, self.node.spec.camera, list[str]()
        if plan is not None and plan.path and self.seen.pursued:
            for path in candidate_paths(plan, self.node.spec):
                shapes.append(polyline(camera.project(path), "#9e9e9e", 0.5))
            why = self.seen.explanation
            if why is not None and why.plan_id == plan.plan_id and why.first_path:
                shapes.append(polyline(camera.project(positions(why.first_path)), "#ff80ab", 1))
            shapes.append(polyline(camera.project(positions(plan.path)), "#00e5ff", 2))
        if self.drawn:
            shapes.append(polyline(np.array(self.drawn), "#ffb300", 2))
        content = "".join(shapes)
        if content != self.image.content:
            self.image.content = content

    def renew_texts(self) -> None:
        """Show the newest states."""
        self.renew_overlay()
        seen = self.seen
        goal, guard, stats = seen.goal, seen.guard, seen.stats
        self.state.text = ": ".join(p for p in (STATE_NAMES[goal.state], goal.task, goal.message) if p)
        many = f"subgoal {goal.subgoal + 1} of {goal.subgoal_count}" if goal.subgoal_count else "no goal"
        self.subgoal.text = f"{many}, reached: {100 * goal.completion:.0f} %"
        self.completion.value = float(goal.completion)
        self.refusal.text = seen.refusal.message if seen.refusal else ""
        self.guard.text = "guard: " + GUARD_STATES[guard.state]
        self.guard.classes(replace="text-red-400" if guard.state == GuardStatus.ESTOPPED else "text-gray-200")
        counts = ", ".join(f"{cause} {n}" for cause, n in zip(guard.causes, guard.counts, strict=True))
        self.causes.text = f"{guard.accepted} passed, {guard.limited} reduced" + (f"; {counts}" if counts else "")
        if stats:
            self.timing.text = (
                f"plan {stats.plan_id}: image {1e3 * stats.encode_seconds:.0f} ms, "
                f"{stats.iterations} iterations {1e3 * stats.iterations_seconds:.0f} ms, "
                f"in all {1e3 * stats.total_seconds:.0f} ms; {stats.late_plans} late plans"
            )
        self.simulator.visible = seen.episode is not None
        if seen.episode:
            truth = "goal reached in the true scene" if seen.episode.goal_reached else "goal not reached"
            self.episode.text = (
                f"episode {seen.episode.episode}, seed {seen.episode.seed}, step {seen.episode.step}: {truth}"
            )
            self.suggest(tuple(seen.episode.objects))
        self.nodes.content = nodes_table(seen.stack)

    def suggest(self, names: tuple[str, ...]) -> None:
        """Offer goals with the objects that are there."""
        if names == self.suggested:
            return
        self.suggested = names
        self.suggestions.clear()
        with self.suggestions:
            for text in examples(names).replace("'", "").split(", "):
                ui.chip(text, on_click=lambda text=text: self.goal.set_value(text)).props("dense outline")

    def renew_curves(self) -> None:
        """Draw the newest curves."""
        self.answers.options.update(lines(self.seen.curves(), "s", LATELY))
        self.answers.update()
        self.speeds.options.update(lines(self.seen.speed_curves(), "s", LATELY, None))
        self.speeds.update()
        plan = self.seen.plan
        if plan is not None and plan.plan_id != self.plan_shown:
            self.plan_shown = plan.plan_id
            self.values.options.update(
                lines({"value": [[i, round(v, 4)] for i, v in enumerate(plan.values)]}, "iteration", high=None)
            )
            self.values.update()
            self.gains.content = gains_table(plan)
        if self.seen.looked is not None and self.seen.looked[0].plan_id != self.attention_shown:
            why, frame = self.seen.looked
            self.attention_shown, camera = why.plan_id, self.node.spec.camera
            self.attention.content = attention_pictures(why, frame, camera.width, camera.height)
