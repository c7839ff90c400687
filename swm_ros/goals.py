# SPDX-License-Identifier: Apache-2.0
"""Goals as they arrive, text or typed, to tasks; a refusal carries a code, the reason and examples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from swm_core.environment import EnvironmentEntry, EnvironmentSpec
from swm_core.errors import GoalError, QuestionError
from swm_core.tasks import GoalParser, Task, build_task, mentions, parse_goal
from swm_core.tasks.goal_text import examples
from swm_msgs import msg
from swm_msgs.msg import GoalStatus, ResultCode
from swm_ros.conversions import task_from_message

STATE_NAMES = {
    getattr(GoalStatus, name): name.lower()
    for name in ("IDLE", "ACCEPTED", "REFUSED", "ACTIVE", "WAITING", "SUCCEEDED", "ABORTED", "CANCELED", "PREEMPTED")
}
TERMINAL = frozenset({GoalStatus.SUCCEEDED, GoalStatus.ABORTED, GoalStatus.CANCELED, GoalStatus.PREEMPTED})


class GoalRefusedError(GoalError):
    """A goal cannot become a task here; carries a code of swm_msgs/ResultCode and examples."""

    def __init__(self, code: int, text: str, names: Sequence[str]) -> None:
        """Keep code and text; make examples from the objects that are there."""
        super().__init__(text)
        self.code = code
        self.examples = re.findall(r"'([^']+)'", examples(names))


@dataclass
class Goal:
    """A goal that was accepted, and how it stands.

    Attributes:
        goal_id: its name in messages.
        epoch: grows with every goal; commands of an older one are refused by the guard.
        task: what to make true.
        deadline: monotonic time at which it is given up, s; infinite for none.
        begun: monotonic time of acceptance, s.
        state: constant of GoalStatus.
        steps: commands sent for it.
        code: constant of ResultCode, once it has ended.
        message: for people.
    """

    goal_id: str
    epoch: int
    task: Task
    begun: float
    deadline: float = float("inf")
    state: int = field(default=GoalStatus.ACCEPTED)
    steps: int = 0
    code: int = ResultCode.OK
    message: str = ""

    @property
    def ended(self) -> bool:
        """Whether it has reached a final state."""
        return self.state in TERMINAL


def task_from_text(text: str, names: Sequence[str], entry: EnvironmentEntry, parse: GoalParser = parse_goal) -> Task:
    """The task that a person's words ask for, in the environment's own questions.

    Args:
        text: what was said.
        names: the objects that are there.
        entry: environment, for its words and questions.
        parse: reads the words; the grammar, or one that knows paraphrases as well.

    Raises:
        GoalRefusedError: the words are not understood, name an object that is not among `names`, or ask for what the
            environment has no question about.
    """
    try:
        return build_task(parse(text, names, (entry.spec.effector_word,)), entry.questions)
    except GoalError as error:
        raise GoalRefusedError(_text_code(text, names, entry.spec, parse), str(error), names) from error
    except QuestionError as error:
        raise GoalRefusedError(ResultCode.GOAL_UNPARSED, f"cannot be asked here: {error}", names) from error


def _text_code(text: str, names: Sequence[str], spec: EnvironmentSpec, parse: GoalParser) -> int:
    """A text that would be understood if the environment's other objects were there names a missing one."""
    for others in spec.object_sets.values():
        try:
            parse(text, tuple(dict.fromkeys((*names, *others))), (spec.effector_word,))
        except GoalError:
            continue
        return ResultCode.OBJECT_UNKNOWN
    return ResultCode.GOAL_UNPARSED


def task_from_typed(message: msg.Task, names: Sequence[str], spec: EnvironmentSpec) -> Task:
    """A typed task, checked against the objects that are there.

    Raises:
        GoalRefusedError: it is malformed, or a question names an object that the environment has but the scene has
            not.
    """
    try:
        task = task_from_message(message)
    except GoalError as error:
        raise GoalRefusedError(ResultCode.GOAL_MALFORMED, f"malformed goal: {error}", names) from error
    known = tuple(dict.fromkeys((*names, *(n for objects in spec.object_sets.values() for n in objects))))
    for subgoal in task.subgoals:
        for question in (*subgoal.questions, *subgoal.completion):
            for _, index in mentions(question.text, known, (spec.effector_word,)):
                if len(names) <= index < len(known):
                    text = f"question {question.text!r} names the {known[index]}; there are only {', '.join(names)}"
                    raise GoalRefusedError(ResultCode.OBJECT_UNKNOWN, text, names)
    return task
