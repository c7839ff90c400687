# SPDX-License-Identifier: Apache-2.0
"""A point mass on a plane that is to touch flags: a whole environment."""

from functools import partial

import numpy as np

from swm_core.camera import Camera
from swm_core.environment import EnvironmentEntry, EnvironmentSpec
from swm_core.scene import SceneState
from swm_core.tasks import phrasings as say
from swm_core.tasks import relations as rel
from swm_core.tasks.questions import LocateType, make_type

FLAGS, BALL = {"red flag": (255, 0, 0), "blue flag": (0, 0, 255), "golden flag": (255, 200, 0)}, (255, 255, 255)
LOW, HIGH, TOUCH = (-0.2, -0.25), (0.2, 0.25), 0.03  # where things begin and how near a touch is, m
SPEC = EnvironmentSpec(
    name="pointmass", action_names=("dx", "dy"), action_low=(-0.04, -0.04), action_high=(0.04, 0.04),
    action_units=("m", "m"), control_period=0.1, episode_steps=30,
    camera=Camera(64, 48, 60.0, (0.0, 0.0, 0.8), ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0))),
    workspace_low=(-0.25, -0.3, 0.0), workspace_high=(0.25, 0.3, 0.0), effector_word="ball",
    object_sets={"FLAGS": tuple(FLAGS)},
)  # fmt: skip


class PointMass:
    environment_spec = SPEC

    def __init__(self, images=True):
        self.images, self.random = images, np.random.default_rng(0)

    def reset(self, *, seed=None, options=None):
        self.random = self.random if seed is None else np.random.default_rng(seed)
        self.names = tuple((options or {}).get("objects", SPEC.default_objects))
        self.places = self.random.uniform(LOW, HIGH, (len(self.names) + 1, 2))  # of the flags, and last of the ball
        self.velocity = np.zeros(2)
        return ({"image": self.render()} if self.images else {}), {}

    def step(self, action):
        self.velocity = 0.5 * self.velocity + 0.5 * np.asarray(action)
        self.places[-1] = np.clip(self.places[-1] + self.velocity, SPEC.workspace_low[:2], SPEC.workspace_high[:2])
        return ({"image": self.render()} if self.images else {}), 0.0, False, False, {}

    def render(self):
        image = np.full((SPEC.camera.height, SPEC.camera.width, 3), 60, np.uint8)
        for place, colour in zip(self.places, [*(FLAGS[name] for name in self.names), BALL], strict=True):
            u, v = SPEC.camera.project(np.array([*place, 0.0])).astype(int)
            image[v - 1 : v + 2, u - 1 : u + 2] = colour
        return image

    def scene(self):
        near, n = np.linalg.norm(self.places - self.places[-1], axis=1) < TOUCH, len(self.names)
        contacts = np.zeros((n + 1, n + 1), bool)
        contacts[-1, :-1] = contacts[:-1, -1] = near[:-1]
        places = np.pad(self.places, ((0, 0), (0, 1)))
        return SceneState(self.names, places[:-1], np.zeros(n), places[-1], contacts, np.array(0.0))

    def close(self):
        pass


class Chase:
    def reset(self, env, seed):
        self.random, self.done = np.random.default_rng(seed), False
        self.flag = int(self.random.integers(len(env.names)))
        self.description = f"reach {env.names[self.flag]}"

    def act(self, scene):
        self.done |= bool(scene.contacts[self.flag, -1])
        way = scene.positions[self.flag, :2] - scene.effector[:2] + self.random.normal(0.0, 0.02, 2)
        return np.clip(0.5 * way, SPEC.action_low, SPEC.action_high).astype(np.float32)


ask = partial(make_type, arguments=("a",), effector_words=("ball",))
ENTRY = EnvironmentEntry(
    SPEC,
    PointMass,
    {"chase": Chase},
    questions=(
        ask("peg_touching_block", relation=rel.effector_contact, wordings=say.EFFECTOR_TOUCHING),
        ask("peg_block_closer", relation=partial(rel.effector_closer, limit=0.02), wordings=say.EFFECTOR_CLOSER),
    ),
    locate=LocateType(say.LOCATE.trained, say.LOCATE.held_out, ("ball",)),
    effector_words=("ball",),
    names=tuple(FLAGS),
)
