# SPDX-License-Identifier: Apache-2.0
"""The one description of the stack: which nodes, from which modules, with which parameters.

`launch/*.launch.py` (for `ros2 launch`) and `swm-sim` (for people without ROS) are both made from it. No ROS is
imported here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from swm_core.environment import DEFAULT_ENVIRONMENT, base_name
from swm_core.errors import ConfigError
from swm_core.installation import shared_file

NAMESPACE = "/swm"
MODES = ("realtime", "lockstep")
LAUNCHER_PID = "SWM_LAUNCHER_PID"  # environment variable: the nodes end when that process is gone
Value = str | int | float | bool
# Simulations talk on this machine only, unless the user has chosen a discovery range.
# The mathematics leaves a core to the other nodes, and its threads sleep while they wait.
ENVIRONMENT = {
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 2) - 1)),
    "OMP_WAIT_POLICY": "PASSIVE",
}


@dataclass(frozen=True)
class StackOptions:
    """What a user chooses about a simulated stack.

    Attributes:
        environment: registered environment, or a variant of one ("ogbench:pine").
        mode: "realtime" or "lockstep".
        seed: layout of the first episode, and the planner's random numbers.
        goal: goal text pursued from the start; empty for none.
        planner: "gradient", "mppi", "none" or "random"; empty for the planner's default.
        model_path: folder of the weights; empty for those shipped.
        monitor: whether the monitor runs.
        stop_when_complete: whether a goal ends when the model holds it for reached.
    """

    environment: str = DEFAULT_ENVIRONMENT
    mode: str = "realtime"
    seed: int = 0
    goal: str = ""
    planner: str = ""
    model_path: str = ""
    monitor: bool = True
    stop_when_complete: bool = True

    def __post_init__(self) -> None:
        """Check the mode.

        Raises:
            ConfigError: it is not one of the two.
        """
        if self.mode not in MODES:
            raise ConfigError(f"mode is {self.mode!r}; choose {' or '.join(MODES)}")


@dataclass(frozen=True)
class NodeProcess:
    """One node in one process.

    Attributes:
        name: node name.
        executable: what `ros2 run swm_ros` calls it.
        module: Python module with the same main function.
        parameters: those that differ from the parameter file.
    """

    name: str
    executable: str
    module: str
    parameters: Mapping[str, Value] = field(default_factory=dict)

    def command(self, parameter_file: Path) -> list[str]:
        """Command line that starts it without ROS's tools."""
        line = [
            sys.executable,
            "-m",
            self.module,
            "--ros-args",
            "-r",
            f"__ns:={NAMESPACE}",
            "-r",
            f"__node:={self.name}",
        ]
        line += ["--params-file", str(parameter_file)]
        for name, value in self.parameters.items():
            line += ["-p", f"{name}:={json.dumps(value)}"]  # JSON is YAML: strings stay strings
        return line


def stack(options: StackOptions) -> tuple[NodeProcess, ...]:
    """The nodes in the order in which they are started; none of them needs another to be there first."""
    lockstep, mode = options.mode == "lockstep", options.mode
    planner: dict[str, Value] = {
        "mode": mode,
        "seed": options.seed,
        "goal": options.goal,
        "planner.planner": options.planner,
        "model_path": options.model_path,
        "stop_when_complete": options.stop_when_complete,
    }
    bridge: dict[str, Value] = {"mode": mode, "seed": options.seed, "environment": options.environment}
    nodes = [
        NodeProcess("guard", "guard", "swm_ros.guard_node", {"check_freshness": not lockstep}),
        NodeProcess("bridge", "bridge", "sim_bridges.bridge_node", bridge),
        NodeProcess("perception", "perception", "swm_ros.perception_node"),
        NodeProcess("planner", "planner", "swm_ros.planner_node", {k: v for k, v in planner.items() if v != ""}),
    ]
    if options.monitor:
        nodes.append(NodeProcess("monitor", "monitor", "swm_ros.monitor_node"))
    return tuple(nodes)


def parameter_file(environment: str) -> Path:
    """The parameter file of an environment's stack; variants have the same.

    Raises:
        ConfigError: there is none.
    """
    return shared_file(f"config/{base_name(environment)}.yaml")
