# SPDX-License-Identifier: Apache-2.0
"""What-if questions by service: checks of the request, and the reply."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.task import Future

from swm_core.environment import EnvironmentSpec
from swm_core.errors import QuestionError, SwmError
from swm_msgs.msg import ResultCode
from swm_msgs.srv import AskQuestion
from swm_ros.conversions import MAX_QUESTIONS, stamp_of
from swm_ros.lifecycle import ManagedNode
from swm_ros.planning_worker import Frame, PlanningWorker

MAX_HORIZON = 64  # actions


def ask_arguments(request: AskQuestion.Request, spec: EnvironmentSpec) -> tuple[list[str], np.ndarray]:
    """Questions and actions of a request.

    Returns:
        Question texts and (h, A) float32 actions inside the bounds.

    Raises:
        QuestionError: no or too many questions, an empty one, or actions of a wrong size, not finite or out of
            bounds.
    """
    questions = list(request.questions)
    if not 0 < len(questions) <= MAX_QUESTIONS or not all(q.strip() for q in questions):
        raise QuestionError(f"give 1 to {MAX_QUESTIONS} questions that are not empty, got {questions[:3]}")
    width = spec.action_dim
    if len(request.actions) % width or (len(request.actions) and request.action_dim != width):
        raise QuestionError(
            f"{len(request.actions)} numbers with action_dim {request.action_dim}; {spec.name} needs rows of {width} "
            f"({', '.join(spec.action_names)})"
        )
    actions = np.asarray(request.actions, np.float32).reshape(-1, width)
    if len(actions) > MAX_HORIZON:
        raise QuestionError(f"{len(actions)} actions; at most {MAX_HORIZON} are looked ahead")
    low, high = np.asarray(spec.action_low) - 1e-6, np.asarray(spec.action_high) + 1e-6
    if not np.isfinite(actions).all() or (actions < low).any() or (actions > high).any():
        raise QuestionError(
            f"actions must be finite and within {spec.action_low} to {spec.action_high} {spec.action_units}"
        )
    return questions, actions


def fill_answer(response: AskQuestion.Response, probabilities: np.ndarray, stamp: int) -> None:
    """Write (K, h+1) probabilities of yes, and the stamp (ns) of the frame asked about, into a response."""
    response.code, response.message = ResultCode.OK, "answered"
    response.horizons = probabilities.shape[1]
    response.probabilities = array.array("f", np.asarray(probabilities, np.float32).tobytes())
    response.observation_stamp = stamp_of(stamp)


class Asker:
    """Answers what-if questions about the newest frame; planning waits meanwhile, so one asks at a time."""

    def __init__(
        self,
        node: ManagedNode[Any],
        spec: EnvironmentSpec,
        worker: PlanningWorker,
        newest: Callable[[], Frame | None],
    ) -> None:
        """Serve nothing yet.

        Args:
            node: whose executor waits for the answers.
            spec: of the environment, for its actions.
            worker: that answers.
            newest: gives the newest frame.
        """
        self._node, self._spec, self._worker, self._newest = node, spec, worker, newest
        self._busy = False

    async def answer(self, request: AskQuestion.Request, response: AskQuestion.Response) -> AskQuestion.Response:
        """The service's callback."""
        frame = self._newest()
        if not self._node.active or frame is None:
            response.code, response.message = ResultCode.NOT_ACTIVE, "no frame has been received yet"
            return response
        if self._busy:
            response.code, response.message = ResultCode.NOT_ACTIVE, "busy with an earlier question; ask again"
            return response
        self._busy = True
        try:
            questions, actions = ask_arguments(request, self._spec)
            job = self._worker.ask(frame.image, questions, actions)
            done: Future = Future(executor=self._node.executor)
            job.add_done_callback(lambda _: done.set_result(None))
            await done
            fill_answer(response, job.result(), frame.stamp)
        except SwmError as error:
            response.code, response.message = ResultCode.BAD_ARGUMENT, str(error)
        except Exception as error:  # whatever the model raises is not the node's end, nor all of it the asker's to know
            self._node.get_logger().error(f"a question failed: {error!r}")
            response.code, response.message = ResultCode.UNKNOWN, f"{type(error).__name__}; the planner's log says more"
        finally:
            self._busy = False
        return response
