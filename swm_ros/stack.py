# SPDX-License-Identifier: Apache-2.0
"""The one description of the stack: which nodes, from which modules, with which parameters.

`launch/*.launch.py` (for `ros2 launch`), `swm-sim` and `swm-robot` (for people without ROS's tools) are made from it.
No ROS is imported here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from swm_core.environment import DEFAULT_ENVIRONMENT, base_name
from swm_core.errors import ConfigError
from swm_core.installation import shared_file

NAMESPACE = "/swm"
MODES = ("realtime", "lockstep")
LAUNCHER_PID = "SWM_LAUNCHER_PID"  # environment variable: the nodes end when that process is gone
CANNOT_BEGIN = os.EX_CONFIG  # exit status of a node for which another start is of no use
Value = str | int | float | bool
# The mathematics leaves a core to the other nodes, and its threads sleep while they wait.
THREADS = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 2) - 1)), "OMP_WAIT_POLICY": "PASSIVE"}
# Simulations talk on this machine only, unless the user has chosen a discovery range. They keep off Fast DDS's shared
# memory: what takes the place of a killed process may be connected, as it seems, and hear nothing (Fast-DDS #5053).
ENVIRONMENT = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4", **THREADS}


@dataclass(frozen=True)
class StackOptions:
    """What a user chooses about a simulated stack.

    Attributes:
        environment: registered environment, or a variant of one ("ogbench:pine").
        mode: "realtime" or "lockstep".
        seed: layout of the first episode, and the planner's random numbers.
        goal: goal text pursued from the start; empty for none.
        planner: "gradient", "mppi", "none" or "random"; empty for the planner's default.
        overlap: whether planning overlaps execution; without it the robot stands while it is planned for (realtime).
        model_path: folder of the weights; empty for those shipped.
        monitor: whether the monitor runs.
        web: whether the web monitor runs.
        record: file or folder for a recording (MCAP); empty for none.
        stop_when_complete: whether a goal ends when the model holds it for reached.
    """

    environment: str = DEFAULT_ENVIRONMENT
    mode: str = "realtime"
    seed: int = 0
    goal: str = ""
    planner: str = ""
    model_path: str = ""
    monitor: bool = True
    web: bool = False
    record: str = ""
    stop_when_complete: bool = True
    overlap: bool = True

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
        remappings: of topics, from its own name to another.
        restarts: whether it is started again when it has ended; otherwise all end with it. The guard never is, as what
            it knew of an emergency stop would be lost; on a robot nothing is.
    """

    name: str
    executable: str
    module: str
    parameters: Mapping[str, Value | Sequence[str]] = field(default_factory=dict)
    remappings: Mapping[str, str] = field(default_factory=dict)
    restarts: bool = False

    @property
    def enclave(self) -> str:
        """Whose keys it uses and what it may say, where ROS 2's security is on (config/security/policy.xml)."""
        return f"{NAMESPACE}/{self.name}"

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
            "--enclave",
            self.enclave,
        ]
        for topic, other in self.remappings.items():
            line += ["-r", f"{topic}:={other}"]
        line += ["--params-file", str(parameter_file)]
        for name, value in self.parameters.items():
            line += ["-p", f"{name}:={json.dumps(value)}"]  # JSON is YAML: strings stay strings
        return line


# What each node runs: its name for `ros2 run`, and its module. In the order of the start; the guard is first, and also
# ends last. None of them needs another to be there first.
EXECUTABLES = {
    "guard": ("guard", "swm_ros.guard_node"),
    "bridge": ("bridge", "sim_bridges.bridge_node"),
    "robot": ("rehearsal_robot", "sim_bridges.rehearsal_bridge"),
    "camera": ("perception", "swm_ros.perception_node"),
    "perception": ("perception", "swm_ros.perception_node"),
    "planner": ("planner", "swm_ros.planner_node"),
    "monitor": ("monitor", "swm_ros.monitor_node"),
    "web_monitor": ("web_monitor", "swm_ros.web.web_monitor_node"),
    "recorder": ("recorder", "swm_ros.recorder_node"),
}
MANAGER = NodeProcess("manager", "manager", "swm_ros.manager_node", restarts=True)


def stack(options: StackOptions) -> tuple[NodeProcess, ...]:
    """The nodes of a simulated stack, in the order in which the last one, the manager, brings them up."""
    lockstep, mode = options.mode == "lockstep", options.mode
    parameters: dict[str, dict[str, Value]] = {
        "guard": {"check_freshness": not lockstep},
        "bridge": {"mode": mode, "seed": options.seed, "environment": options.environment},
        "perception": {},
        "planner": {
            "mode": mode,
            "seed": options.seed,
            "goal": options.goal,
            "planner.planner": options.planner,
            "model_path": options.model_path,
            "stop_when_complete": options.stop_when_complete,
            "overlap": options.overlap,
        },
    }
    if options.monitor:
        parameters["monitor"] = {}
    if options.web:
        parameters["web_monitor"] = {"environment": options.environment}
    nodes = _processes({name: {**values, "autostart": False} for name, values in parameters.items()})
    recorder = _processes({"recorder": {"path": options.record}} if options.record else {})  # outlives the others
    manager = replace(MANAGER, parameters={"nodes": [n.name for n in nodes]})
    return (*(replace(n, restarts=n.name != "guard") for n in nodes), *recorder, manager)


@dataclass(frozen=True)
class RobotOptions:
    """What a user chooses about a robot's stack, beside the file that describes the robot.

    Attributes:
        config: the file: ROS parameters, with a section for each node that runs.
        nodes: of these, those that run here; empty for all.
        goal: goal text pursued from the start; empty for none.
        planner: "gradient", "mppi", "none" or "random"; empty for what the file says.
        model_path: folder of the weights; empty for what the file says.
        dry_run: whether no command leaves; None for what the file says.
        speed_scale: factor on every velocity; None for what the file says.
        stop_when_complete: whether a goal ends when the model holds it for reached.
    """

    config: Path
    nodes: tuple[str, ...] = ()
    goal: str = ""
    planner: str = ""
    model_path: str = ""
    dry_run: bool | None = None
    speed_scale: float | None = None
    stop_when_complete: bool = True


def robot_stack(options: RobotOptions) -> tuple[NodeProcess, ...]:
    """The nodes of a robot's stack that run here, in the order in which they are started.

    Where the guard runs, the manager does; it brings up all nodes of the file, wherever they are, in this order. In a
    file without a guard each node brings itself up.

    Raises:
        ConfigError: the file cannot be read, has a section of no node, or lacks one that is wanted.
    """
    described = _sections(options.config)
    missing = [name for name in options.nodes if name not in described]
    if missing:
        raise ConfigError(f"{options.config} has no section {NAMESPACE}/{missing[0]}; it has {', '.join(described)}")
    wanted = tuple(name for name in described if not options.nodes or name in options.nodes)
    given: dict[str, dict[str, Value | None]] = {
        "guard": {"robot.dry_run": options.dry_run, "speed_scale": options.speed_scale},
        "planner": {
            "goal": options.goal,
            "planner.planner": options.planner,
            "model_path": options.model_path,
            "stop_when_complete": None if options.stop_when_complete else False,
        },
    }
    managed = [name for name in described if name != "recorder"] if "guard" in described else []
    chosen: dict[str, dict[str, Value]] = {name: {} for name in wanted}
    for name, values in chosen.items():
        values |= {k: v for k, v in given.get(name, {}).items() if v is not None}
        values |= {"autostart": False} if name in managed else {}
    manager = replace(MANAGER, parameters={"nodes": managed}, restarts=False)
    return (*_processes(chosen), *([manager] if "guard" in wanted else []))


def names_of_nodes(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def adopt_environment() -> None:
    """Have this process talk to a simulated stack as its nodes do, where the user has not chosen otherwise."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def robot_environment(processes: Sequence[NodeProcess]) -> dict[str, str]:
    """Variables for a robot's nodes: they find each other over the network, unless the robot is a rehearsal's."""
    return ENVIRONMENT if any(process.name == "robot" for process in processes) else THREADS


def _sections(config: Path) -> tuple[str, ...]:
    """The nodes that a parameter file describes, in the order of their start, without the manager."""
    try:
        content = yaml.safe_load(config.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{config} cannot be read: {error}") from error
    names = list(content) if isinstance(content, dict) else []
    known = {f"{NAMESPACE}/{name}": name for name in (*EXECUTABLES, MANAGER.name)}
    strange = [name for name in names if name not in known]
    if strange or not names:
        raise ConfigError(f"{config} has {strange or 'no sections'}; a robot's file has some of {', '.join(known)}")
    return tuple(name for name in EXECUTABLES if f"{NAMESPACE}/{name}" in names)


def _processes(parameters: Mapping[str, Mapping[str, Value]]) -> tuple[NodeProcess, ...]:
    """A process for each node, without the parameters that are empty; the end of a recorder ends nothing else."""
    return tuple(
        NodeProcess(name, *EXECUTABLES[name], {k: v for k, v in values.items() if v != ""}, restarts=name == "recorder")
        for name, values in parameters.items()
    )


def parameter_file(environment: str) -> Path:
    """The parameter file of an environment's stack; variants have the same.

    Raises:
        ConfigError: there is none.
    """
    return shared_file(f"config/{base_name(environment)}.yaml")
