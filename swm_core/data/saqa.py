# SPDX-License-Identifier: Apache-2.0
"""State-action-question-answer samples (paper Sec. 3.1, A.3.2), drawn on the fly from trajectories.

Sample i is a function of the data, the settings, the seed and i alone. So the stream is the same for any number of
loader workers and training processes, and a run resumes by starting at a later i. Balance is therefore not kept by
running counts but by settings that are measured once at the start, from the same data, see `swm_core.data.balance`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch.utils.data import Dataset

from swm_core.camera import Camera
from swm_core.data import augment
from swm_core.data.augment import Augmentation
from swm_core.data.balance import Balance, measure_balance
from swm_core.data.batches import Sample
from swm_core.data.questioning import AskedQuestion, QuestionCatalogue, ask_place, ask_type
from swm_core.data.trajectories import Trajectories, Trajectory
from swm_core.errors import ConfigError, DataError
from swm_core.scene import SceneState
from swm_core.tasks.relations import Truth
from swm_core.tasks.words import name_words, tokenize

HORIZON = 20  # longest horizon (paper A.3.2)
HORIZONS = 4  # horizons per state (paper A.3.2)
MENTIONS = 2  # things that a question can name
NEAR = 0.08  # m; an effector this near to an object's centre is about to matter
MOVED = 0.01  # m; an object that moves this far within the longest horizon makes a state interesting


@dataclass(frozen=True)
class SaqaSettings:
    """How samples are drawn.

    Attributes:
        questions: questions per state, K.
        locate_share: share of the questions that are "where is X".
        type_weights: relative share per question type; types that are not named have 1.
        now_share: share of samples that ask about horizon 0 among others.
        motion_weight: how much likelier than others a state is drawn where an object is about to move.
        near_weight: how much likelier a state is drawn where the effector is near an object.
        largest_weight: limit of a label's loss weight, and 1 / limit from below.
        augmentation: changes of picture and scene.
    """

    questions: int = 12
    locate_share: float = 0.1
    type_weights: Mapping[str, float] = field(default_factory=dict)
    now_share: float = 0.3
    motion_weight: float = 4.0
    near_weight: float = 2.0
    largest_weight: float = 5.0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: a value is outside its range.
        """
        shares = {"locate_share": self.locate_share, "now_share": self.now_share}
        for name, share in shares.items():
            if not 0.0 <= share <= 1.0:
                raise ConfigError(f"{name} is {share}; it must be within 0 and 1")
        least = min(self.motion_weight, self.near_weight, self.largest_weight)
        if self.questions < 1 or least < 1.0 or any(not w >= 0 for w in self.type_weights.values()):
            raise ConfigError(f"questions and weights must be at least 1, type weights at least 0: {self}")


def interest(trajectory: Trajectory, settings: SaqaSettings) -> np.ndarray:
    """(T + 1,) float64 weight with which a state is drawn: higher where something is about to happen."""
    scenes, length = trajectory.scenes, len(trajectory) + 1
    later = np.minimum(np.arange(length) + HORIZON, length - 1)
    moves = np.linalg.norm(scenes.positions[later] - scenes.positions, axis=-1).max(-1, initial=0.0) > MOVED
    gaps = np.linalg.norm(scenes.positions[..., :2] - scenes.effector[:, None, :2], axis=-1).min(-1, initial=np.inf)
    return np.where(moves, settings.motion_weight, 1.0) * np.where(gaps < NEAR, settings.near_weight, 1.0)


def without(names: Sequence[str], words: Sequence[str]) -> tuple[str, ...]:
    """The names that have none of the words."""
    return tuple(name for name in names if not set(words) & set(tokenize(name)))


def draw_horizons(available: int, now_share: float, random: np.random.Generator) -> np.ndarray:
    """(4,) int64 different horizons within 0..available, increasing; 0 is among them with probability `now_share`."""
    now = available < HORIZONS or random.random() < now_share
    later = 1 + random.permutation(available)[: HORIZONS - now]
    return np.sort(np.append(later, 0) if now else later)


class SaqaDataset(Dataset[Sample]):
    """Samples 0, 1, 2, ... of a data set; `torch.utils.data.DataLoader` takes it with `collate_samples`.

    Args:
        data: the trajectories.
        catalogue: the questions.
        settings: how samples are drawn.
        seed: of all draws.
        samples: length; the stream itself has no end.

    Raises:
        DataError: no state has a frame and four horizons, or there are objects that the catalogue does not name.
        ConfigError: an unknown type is weighted, all weights are 0, or mirroring does not fit the environment.
    """

    def __init__(
        self,
        data: Trajectories,
        catalogue: QuestionCatalogue,
        settings: SaqaSettings = SaqaSettings(),
        seed: int = 0,
        samples: int = 1_000_000,
    ) -> None:
        """See the class."""
        if settings.augmentation.mirror:
            augment.check_mirror(data.spec)
        unknown = set(settings.type_weights) - set(catalogue.type_names)
        if unknown:
            raise ConfigError(f"type weights of unknown question types: {', '.join(sorted(unknown))}")
        shown = {name for episode in data.episodes for name in episode.scenes.names}
        strange = shown - set(catalogue.names)
        if strange:
            raise DataError(f"objects that the environment does not name: {', '.join(sorted(strange))}")
        self.data, self.catalogue, self.settings, self.seed, self.samples = data, catalogue, settings, seed, samples
        self._never_shown = np.array([name not in shown for name in catalogue.names])
        self._name_words = name_words(catalogue.names, catalogue.words)
        self._hues = augment.colour_hues(tuple(sorted({w for name in catalogue.names for w in tokenize(name)})))
        self.states = data.states(least=HORIZONS - 1)
        if not len(self.states):
            raise DataError(f"no state has a frame and at least {HORIZONS - 1} actions after it")
        interests = [interest(episode, settings) for episode in data.episodes]
        self._cumulative = np.cumsum([interests[episode][t] for episode, t in self.states])
        shares = np.array([settings.type_weights.get(kind.name, 1.0) for kind in catalogue.types])
        if not shares.sum() > 0:
            raise ConfigError("all question types have weight 0")
        locate = settings.locate_share if catalogue.locate else 0.0
        self._shares = np.cumsum([*(shares / shares.sum() * (1.0 - locate)), locate])
        self.balance = Balance.even(len(catalogue.types))
        self.balance = measure_balance(self, settings.largest_weight)

    def __len__(self) -> int:
        """Length of the stream that a loader goes through."""
        return self.samples

    def random(self, index: int) -> np.random.Generator:
        """Generator of sample `index`."""
        return np.random.default_rng((self.seed, index))

    def draw_state(self, random: np.random.Generator) -> tuple[int, int, np.ndarray]:
        """Draw a state and its horizons: episode number, t, (4,) horizons."""
        at = np.searchsorted(self._cumulative, random.random() * self._cumulative[-1], side="right")
        episode, t = (int(i) for i in self.states[min(at, len(self.states) - 1)])
        available = min(HORIZON, len(self.data.episodes[episode]) - t)
        return episode, t, draw_horizons(available, self.settings.now_share, random)

    def draw_questions(
        self, scenes: SceneState, horizons: np.ndarray, random: np.random.Generator
    ) -> list[tuple[AskedQuestion, bool]]:
        """Draw K questions.

        Args:
            scenes: states from the one asked in onwards, batch shape (at least the last horizon + 1,).
            horizons: (Z,) int.
            random: source of the draws.

        Returns:
            questions, each with the answer that was looked for.

        Raises:
            DataError: no question has a defined answer here.
        """
        catalogue, pair, truths = self.catalogue, (scenes[:1], scenes[horizons]), dict[int, Truth]()
        asked: list[tuple[AskedQuestion, bool]] = []
        for _ in range(20 * self.settings.questions):  # a type without a defined answer here is drawn again
            if len(asked) == self.settings.questions:
                break
            number = int(np.searchsorted(self._shares, random.random() * self._shares[-1], side="right"))
            wanted = bool(random.random() < self.balance.wanted[min(number, len(catalogue.types) - 1)])
            if number >= len(catalogue.types) and catalogue.locate is not None:
                question: AskedQuestion | None = ask_place(
                    catalogue.locate, number, scenes.names, len(horizons), random
                )
            else:
                if number not in truths:
                    truths[number] = catalogue.types[number].truth(*pair)
                question = ask_type(catalogue.types[number], number, truths[number], scenes.names, wanted, random)
            if question is not None:
                asked.append((question, wanted))
        if len(asked) < self.settings.questions:
            raise DataError(f"no question has a defined answer in a scene of {', '.join(scenes.names)}")
        return asked

    def __getitem__(self, index: int) -> Sample:
        """Sample number `index`."""
        random = self.random(index)
        number, t, horizons = self.draw_state(random)
        episode, change, camera = self.data.episodes[number], self.settings.augmentation, self.data.spec.camera
        scenes, actions = episode.scenes[t : t + HORIZON + 1], episode.actions[t : t + HORIZON]
        image = episode.frame(t)
        if change.mirror and random.random() < change.mirror:
            scenes, image = augment.mirror_scenes(scenes), augment.mirror_image(image)
            actions = augment.mirror_actions(actions, self.data.spec.action_names)
        seen, hidden = scenes[0], self._draw_colours(scenes.names, random)
        if hidden:
            image = augment.recolour(image, hidden, self._hues, random)
            scenes = scenes.only(without(scenes.names, hidden))
        asked = [question for question, _ in self.draw_questions(scenes, horizons, random)]
        if change.shift_px:
            right, down = (int(s) for s in random.integers(-change.shift_px, change.shift_px + 1, 2))
            image, camera = augment.shift_image(image, camera, right, down)
        if change.backdrop and random.random() < change.backdrop:
            image = augment.repaint_backdrop(image, random)
        if change.brightness or change.contrast or change.gain or change.noise:
            image = augment.relight(image, change, random)
        shown = self._things(seen, camera, hidden)
        return self._sample(image, camera, scenes, actions, horizons, asked, shown, (number, t))

    def _draw_colours(self, names: Sequence[str], random: np.random.Generator) -> list[str]:
        """The colours to be shown in unnamed hues; none where too little would be left to ask about."""
        share = self.settings.augmentation.recolour
        if not share:
            return []
        colours = sorted(self._hues.keys() & {word for name in names for word in tokenize(name)})
        hidden = [colour for colour in colours if random.random() < share]
        return hidden if len(without(names, hidden)) >= MENTIONS else []

    def _things(self, scene: SceneState, camera: Camera, hidden: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """`thing_pixels` and `thing_words` of a sample, without the words for the hidden colours."""
        rows = [*(self.catalogue.names.index(name) for name in scene.names), -1]
        pixels = np.full((len(self._name_words), 2), np.nan, np.float32)
        pixels[: len(rows)] = camera.project(np.concatenate([scene.positions, scene.effector[None]]))
        words = np.zeros_like(self._name_words)
        words[: len(rows)] = self._name_words[rows]
        words[np.isin(words, [self.catalogue.words.index(colour) + 1 for colour in hidden])] = 0
        return pixels, words

    def _sample(
        self,
        image: np.ndarray,
        camera: Camera,
        scenes: SceneState,
        actions: np.ndarray,
        horizons: np.ndarray,
        asked: Sequence[AskedQuestion],
        things: tuple[np.ndarray, np.ndarray],
        source: tuple[int, int],
    ) -> Sample:
        """Arrays of fixed size from what was drawn."""
        length, names = len(actions), scenes.names
        padded = np.zeros((HORIZON, actions.shape[1]), np.float32)
        padded[:length] = actions
        path = np.full((HORIZON + 1, len(names) + 1, 3), np.nan, np.float32)
        path[: length + 1, :-1], path[: length + 1, -1] = scenes.positions, scenes.effector
        found = [self.catalogue.mentions(q.text, names, MENTIONS) for q in asked]
        mentioned = np.stack([objects for _, objects in found])  # (K, M)
        seen = camera.project(path[0]).astype(np.float32)  # (N + 1, 2)
        targets, pixels = path.transpose(1, 0, 2)[mentioned], seen[mentioned]
        targets[mentioned < 0], pixels[mentioned < 0] = np.nan, np.nan
        scene_pixels = np.full((len(self.catalogue.names) + 1, 2), np.nan, np.float32)
        scene_pixels[:-1][self._never_shown] = np.inf
        rows = [*(self.catalogue.names.index(name) for name in names), -1]
        scene_pixels[rows] = seen
        scene_positions = np.full((len(scene_pixels), 3), np.nan, np.float32)
        scene_positions[rows] = path[0]
        answers, types = np.stack([q.answers for q in asked]), np.array([q.type for q in asked])
        return Sample(
            image=image,
            actions=padded,
            available=length,
            horizons=horizons,
            ids=np.stack([self.catalogue.encode(q.text) for q in asked]),
            answers=answers,
            types=types,
            weights=self.balance.label_weights(types, answers),
            mentions=np.stack([places for places, _ in found]),
            mentioned=mentioned,
            targets=targets,
            pixels=pixels,
            scene_pixels=scene_pixels,
            scene_positions=scene_positions,
            thing_pixels=things[0],
            thing_words=things[1],
            effector=path[:, -1],
            gripper=np.asarray(scenes.gripper[0], np.float32),
            texts=tuple(q.text for q in asked),
            names=names,
            source=source,
        )
