# SPDX-License-Identifier: Apache-2.0
"""Settings become described, ranged, read-only parameters; wrong ones are errors that say so."""

from dataclasses import dataclass, field

import pytest
import rclpy
from rclpy.parameter import Parameter

from swm_core.errors import ConfigError
from swm_ros.lifecycle import ManagedNode
from swm_ros.parameters import descriptions


@dataclass(frozen=True)
class Inner:
    """Inner settings.

    Attributes:
        depth: how deep,
            in metres.
    """

    depth: float = field(default=1.0, metadata={"range": (0.0, 2.0)})


@dataclass(frozen=True)
class Settings:
    """Settings of a test node.

    Attributes:
        count: how many.
        names: which.
        limits: lowest and highest.
        maybe: may be missing.
        inner: more.
    """

    count: int = field(default=3, metadata={"range": (1, 5)})
    names: tuple[str, ...] = ()
    limits: tuple[float, ...] = (0.0, 1.0)
    maybe: float | None = None
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self):
        if self.limits[0] > self.limits[1]:
            raise ConfigError("limits are the wrong way round")


@pytest.fixture(scope="module", autouse=True)
def ros():
    rclpy.init()
    yield
    rclpy.try_shutdown()


def make(**values):
    overrides = [Parameter(name.replace("__", "."), value=value) for name, value in values.items()]
    node = ManagedNode("settings_test", Settings, parameter_overrides=overrides)
    found = node.config
    described = {n: node.describe_parameter(n) for n in ("count", "inner.depth", "names", "autostart")}
    rejected = node.set_parameters([Parameter("count", value=4)])[0]
    node.destroy_node()
    return found, described, rejected


def test_defaults_descriptions_ranges_and_read_only():
    found, described, rejected = make()
    assert found == Settings()
    assert described["inner.depth"].description == "how deep, in metres."
    assert described["inner.depth"].floating_point_range[0].to_value == 2.0
    assert described["count"].integer_range[0].from_value == 1
    assert all(d.read_only and d.description for d in described.values())
    assert not rejected.successful


def test_values_are_read():
    found, _, _ = make(count=2, names=["a", "b"], limits=[0.5, 0.7], maybe=0.1, inner__depth=0.5)
    assert found == Settings(2, ("a", "b"), (0.5, 0.7), 0.1, Inner(0.5))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"count": 9}, "count.*allowed 1 to 5"),
        ({"count": "many"}, "count"),
        ({"inner__depth": 2.5}, "inner.depth"),
        ({"limits": [2.0, 1.0]}, "wrong way"),
        ({"cuont": 2}, "cuont.*count"),
    ],
)
def test_wrong_values_and_unknown_names_are_errors(values, said):
    with pytest.raises(ConfigError, match=said):
        make(**values)


def test_the_docstring_is_the_description():
    assert descriptions(Settings)["limits"] == "lowest and highest."
