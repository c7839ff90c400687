# SPDX-License-Identifier: Apache-2.0
"""The bad link delays and loses as it is told, in order, and the same again for the same seed."""

import numpy as np

from sim_bridges.camera_link import CameraLink


def arrivals(seed: int, latency=0.08, jitter=0.02, drop=0.05, frames=4000, period=0.1) -> list:
    link = CameraLink(latency, jitter, drop, seed)
    return [link.send(i * period) for i in range(frames)]


def test_delays_and_losses_are_those_asked_for():
    found = arrivals(0)
    delays = np.array([a - 0.1 * i for i, a in enumerate(found) if a is not None])
    assert abs(delays.mean() - 0.08) < 0.002
    assert abs(delays.std() - 0.02) < 0.002
    assert abs(1 - len(delays) / len(found) - 0.05) < 0.012


def test_no_frame_overtakes_another_or_comes_before_it_was_sent():
    found = [a for a in arrivals(1, jitter=0.2, period=0.02) if a is not None]
    assert found == sorted(found)
    assert all(a is None or a >= 0.02 * i for i, a in enumerate(arrivals(1, jitter=0.2, period=0.02)))


def test_the_same_seed_gives_the_same_link():
    assert arrivals(3) == arrivals(3)
    assert arrivals(3) != arrivals(4)


def test_a_perfect_link_changes_nothing():
    assert arrivals(0, 0.0, 0.0, 0.0, 50) == [0.1 * i for i in range(50)]
