# SPDX-License-Identifier: Apache-2.0
"""What truly became of the questions about a drawn path, by the simulator's scenes."""

from __future__ import annotations

from collections.abc import Sequence

from swm_core.scene import SceneState
from swm_core.tasks.questions import QuestionType, question_truth, read_question


class Happened:
    """Judges questions about what has changed since a scene.

    Args:
        before: the scene when they were asked; None on a robot, where nobody knows the truth.
        questions: K texts.
        types: question types of the environment.
    """

    def __init__(self, before: SceneState | None, questions: Sequence[str], types: Sequence[QuestionType]) -> None:
        self._before, self._types = before, types
        names = () if before is None else before.names
        self._read = [read_question(text, names, types) if names else None for text in questions]

    def answers(self, after: SceneState | None) -> list[bool | None]:
        """(K) true answers about a later scene; None where they are not known.

        A question in words of one's own, or one that has no answer in these scenes, has none.
        """
        before = self._before
        if before is None or after is None or before.names != after.names:
            return [None] * len(self._read)
        return [q and question_truth(q, before, after, self._types) for q in self._read]
