# SPDX-License-Identifier: Apache-2.0
"""Roll-outs of the shipped weights, as training data: what is drawn is pursued from frames, and seeds decide it all."""

import numpy as np

from swm_core.data.collection import CollectionSettings, EpisodeJob, run_episode
from swm_core.environment import load_environment

ENTRY = load_environment("ogbench")


def test_a_rollout_goes_for_the_cube_that_was_drawn_and_repeats_itself() -> None:
    env = ENTRY.make(images=False)
    settings = CollectionSettings("ogbench", ENTRY.names, steps=16, frame_every=8)
    try:
        first, second = (run_episode(ENTRY, env, settings, EpisodeJob("rollout", 3, 0), "x") for _ in range(2))
    finally:
        env.close()
    np.testing.assert_array_equal(first.actions, second.actions)
    words = first.metadata.description.split()
    assert words[0] == "stack"
    cube = first.scenes.names.index(" ".join(words[1:3]))
    distances = np.linalg.norm(first.scenes.effector - first.scenes.positions[:, cube], axis=-1)
    assert distances[-1] < 0.6 * distances[0]
