# SPDX-License-Identifier: Apache-2.0
"""What the soak test counts: missing commands, growing memory, warnings; and that it plays the real stack."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from swm_ros.soak import Rhythm, growth, main, warnings_in

LOG = """\
06:01:05 guard      | [WARN] [1795759265.382549372] [swm.guard]: holding stale
06:01:07 guard      | [INFO] [1795759267.580564038] [swm.guard]: running
06:01:08 manager    | ended (rc=-9) and is started again
06:02:05 guard      | [WARN] [1795759325.1] [swm.guard]: holding stale
06:02:06 perception | [ERROR] [1795759326.1] [swm.perception]: the effector has moved 227.2 mm
06:02:09 perception | [ERROR] [1795759329.1] [swm.perception]: the effector has moved 3.0 mm
"""


def test_a_command_that_does_not_come_is_missing_and_one_that_is_late_is_not() -> None:
    regular = np.arange(0.0, 60.0, 0.1)
    assert (Rhythm.of(regular).commands, Rhythm.of(regular).missing) == (600, 0)
    assert Rhythm.of(regular).p99 == pytest.approx(0.1)
    late = regular.copy()
    late[300] += 0.04
    assert Rhythm.of(late).missing == 0
    assert Rhythm.of(late).longest == pytest.approx(0.14)
    gone = np.delete(regular, [100, 200, 201])
    assert Rhythm.of(gone).missing == 3
    assert Rhythm.of(gone).longest == pytest.approx(0.3)


def test_memory_that_rises_while_warming_up_does_not_count_and_a_leak_does() -> None:
    times = np.linspace(0.0, 100.0, 201)
    warming = [(t, 200.0 + 100.0 * min(t / 8.0, 1.0)) for t in times]
    assert growth(warming, 100.0) == 0.0
    leak = [(t, 200.0 + 0.1 * t) for t in times]
    assert growth(leak, 100.0) == pytest.approx(8.0 / 201.5, rel=0.01)


def test_the_same_warning_with_other_numbers_is_one() -> None:
    assert warnings_in(LOG) == {"guard: holding stale": 2, "perception: the effector has moved # mm": 2}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_it_plays_the_stack_and_writes_what_it_saw(tmp_path: Path) -> None:
    wanted = ["--seconds", "40", "--every", "5", "--json", str(tmp_path / "soak.json"), "--log", str(tmp_path / "log")]
    outcome = CliRunner().invoke(main, wanted)
    found = json.loads((tmp_path / "soak.json").read_text())
    assert found["rhythm"]["commands"] > 300, outcome.output
    assert set(found["growth"]) >= {"guard", "bridge", "perception", "planner", "monitor"}
    assert found["goals"] == 8
    assert found["replaced"] == []
