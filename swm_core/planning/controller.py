# SPDX-License-Identifier: Apache-2.0
"""Receding-horizon control: plan, execute the first steps, plan again, subgoal after subgoal."""
# contract (being written): 
# class Controller:
#     def __init__(self, model: WorldModel, spec: EnvironmentSpec, config: PlannerConfig, seed: int = 0): ...
#     @classmethod
#     def load(cls, environment: str, model_path: Path | None = None, config: PlannerConfig = PlannerConfig(), seed=0)
#         model_path None -> the weights shipped for the environment. Raises ModelError, ConfigError.
#     def start(self, task: Task) -> None          # begins a task; drops the warm start
#     def plan(self, image: np.ndarray (H,W,3) uint8, committed: np.ndarray (m,A) = empty, deadline: float | None = None (seconds of budget)) -> Plan
#         raises PlanningError on an image of wrong shape/dtype, or when no task was started
#     subgoal: int (index of current), finished: bool (last subgoal's completion answered yes several frames in a row)
#     def ask(self, image, questions: Sequence[str], actions (h,A)) -> np.ndarray (len(questions), h+1) probability of yes at horizons 0..h
#     def warm_up(self) -> None
# @dataclass(frozen=True) class PlannerConfig: planner: "gradient"|"mppi"|"none"(no-op)|"random", horizon=16, sub_chunk=8, iterations=10, execute=4, candidates=..., ...
