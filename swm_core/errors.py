# SPDX-License-Identifier: Apache-2.0
"""The one exception tree: a class per cause; messages carry the value, the limit and the way out."""


class SwmError(Exception):
    """Root of every error that this project raises on purpose."""


class ConfigError(SwmError, ValueError):
    """A setting has an unknown name, a wrong type or a value outside its range."""


class SceneError(SwmError, ValueError):
    """A scene state is malformed or lacks an object that was asked for."""


class QuestionError(SwmError, ValueError):
    """A question is malformed or speaks of something that the environment does not have."""


class GoalError(SwmError, ValueError):
    """A goal cannot become a task; the message says why and gives examples."""


class WordingError(GoalError):
    """A goal's wording is not understood, although what it names is there; another wording may be."""


class DataError(SwmError):
    """A trajectory file is missing, truncated, inconsistent or of another schema."""


class RecordingError(SwmError):
    """A recording cannot be written, is damaged, or lacks what is asked of it."""


class ModelError(SwmError):
    """Weights or a model configuration are missing, truncated or do not belong together."""


class PlanningError(SwmError):
    """The planner was given an observation, proposal or task that it cannot use."""


class BridgeError(SwmError):
    """A simulator or a robot interface did not do what was asked."""
