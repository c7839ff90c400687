# SPDX-License-Identifier: Apache-2.0
"""How chunks are planned: one frozen dataclass, its checks and its presets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from swm_core.environment import base_name
from swm_core.errors import ConfigError
from swm_core.planning.gradient import GradientConfig
from swm_core.planning.mppi import MppiConfig

POLICY = "policy"  # a planner that executes the base policy alone, and a kind of proposals
WITHOUT_MODEL = ("none", "random")  # planners that ask no questions
PLANNERS = ("gradient", "mppi", POLICY, *WITHOUT_MODEL)
PROPOSALS = ("previous", POLICY, "named", "around", "headings", "still", "uniform")


@dataclass(frozen=True)
class PlannerConfig:
    """How chunks are planned.

    Attributes:
        planner: "gradient", "mppi", "policy" (the base policy alone), "none" (no motion) or "random" (uniform actions);
            the last three are for comparison.
        horizon: actions in a chunk, H.
        sub_chunk: c of Eq. 2.
        execute: actions executed before the next plan in lockstep.
        proposals: first guesses: "previous" (the rest of the last plan), "policy" (drawn from the base policy), "named"
            (straight lines to what the questions name), "around" (round each of these to a side of it and through it),
            "headings" (straight lines all around), "still" (no motion),
            "uniform" (a chunk of uniform actions). MPPI samples around them; with "uniform" alone it samples its first
            round uniformly (the paper's way).
        policy_proposals: how many chunks are drawn from the base policy.
        margin: the base policy's own first chunk is executed unless another's value is higher by more than this.
        sides: of "around", evenly all round; those in line with another thing that is named are added.
        around_radius: distance kept from a thing's centre on the way round it, m.
        around_speed: on the way round, as a share of the largest action.
        push_speed: from there on.
        directions: number of headings.
        speeds: their speeds, as shares of the largest action.
        complete_above: probability of a wanted answer above which a completion question counts as answered so.
        complete_frames: frames in a row for which all of them must be.
        subgoal_actions: actions after which a subgoal that is not reached is given up; 0 for no limit.
        switch_margin: of subgoals in any order, the one pursued is left for another whose best proposal is worth more
            by this share of the highest possible value.
        gradient: settings of the gradient planner.
        mppi: settings of MPPI.
    """

    planner: str = "gradient"
    horizon: int = field(default=16, metadata={"range": (1, 20)})
    sub_chunk: int = field(default=8, metadata={"range": (1, 20)})
    execute: int = field(default=4, metadata={"range": (1, 20)})
    proposals: tuple[str, ...] = ("previous", "named", "around", "headings", "still")
    policy_proposals: int = field(default=4, metadata={"range": (1, 64)})
    margin: float = field(default=0.02, metadata={"range": (0.0, 10.0)})
    sides: int = field(default=8, metadata={"range": (0, 64)})
    around_radius: float = field(default=0.06, metadata={"range": (0.0, 1.0)})
    around_speed: float = field(default=0.9, metadata={"range": (0.01, 1.0)})
    push_speed: float = field(default=0.6, metadata={"range": (0.01, 1.0)})
    directions: int = field(default=8, metadata={"range": (0, 64)})
    speeds: tuple[float, ...] = (0.9,)
    complete_above: float = field(default=0.7, metadata={"range": (0.0, 1.0)})
    complete_frames: int = field(default=2, metadata={"range": (1, 100)})
    subgoal_actions: int = field(default=0, metadata={"range": (0, 1_000_000)})
    switch_margin: float = field(default=0.1, metadata={"range": (0.0, 1.0)})
    gradient: GradientConfig = field(default_factory=GradientConfig)
    mppi: MppiConfig = field(default_factory=MppiConfig)

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: a value is outside its range.
        """
        if self.planner not in PLANNERS:
            raise ConfigError(f"planner {self.planner!r} is none of {', '.join(PLANNERS)}")
        if not self.proposals or not set(self.proposals) <= set(PROPOSALS):
            raise ConfigError(f"proposals {self.proposals} must be some of {', '.join(PROPOSALS)}")
        if not 1 <= self.execute <= self.horizon or not 1 <= self.sub_chunk <= self.horizon:
            raise ConfigError(f"execute and sub_chunk must be within 1 and the horizon {self.horizon}")
        if self.policy_proposals < 1:
            raise ConfigError(f"policy_proposals is {self.policy_proposals}; at least 1 is drawn")
        if self.subgoal_actions < 0 or not 0 <= self.switch_margin <= 1:
            given = f"{self.subgoal_actions} and {self.switch_margin}"
            raise ConfigError(f"subgoal_actions must be at least 0, switch_margin within 0 and 1; got {given}")

    @property
    def needs_policy(self) -> bool:
        """Whether a base policy takes part."""
        return self.planner == POLICY or (self.planner in ("gradient", "mppi") and POLICY in self.proposals)


DEFAULT = PlannerConfig()  # what measures best

# Paper A.3.1: learning rate 0.02, gradients clipped to norm 1, ten iterations, no trust region; A.5.2: without a base
# policy, from one chunk of uniform actions.
PAPER_LANGTABLE = PlannerConfig(
    proposals=("uniform",),
    policy_proposals=1,
    gradient=GradientConfig(iterations=10, rate=0.02, clip=1.0, unit=False),
)

# Paper A.3.1 for OGBench: learning rate 0.2, gradients clipped to norm 10, twenty iterations. The package's actions are
# shares of their range. The paper says nothing of MPPI here; 8 rounds of 16 samples (A.5.8) are the defaults, as are
# sub-chunks of 8 and 4 of 16 actions.
PAPER_OGBENCH = replace(
    PAPER_LANGTABLE, gradient=GradientConfig(iterations=20, rate=0.2, clip=10.0, unit=False, shares=True)
)

PAPER = {"langtable": PAPER_LANGTABLE, "ogbench": PAPER_OGBENCH}
PRESETS = ("default", "paper")


def start_settings(preset: str, environment: str) -> PlannerConfig:
    """Planner settings by the name of a preset: what measures best, or the paper's for an environment.

    Raises:
        ConfigError: no such preset, or the paper does not have the environment.
    """
    if preset not in PRESETS:
        raise ConfigError(f"preset {preset!r} is none of {', '.join(PRESETS)}")
    name = base_name(environment)
    if preset == "paper" and name not in PAPER:
        raise ConfigError(f"the paper has no planner settings for {name}; it has some for {', '.join(PAPER)}")
    return PAPER[name] if preset == "paper" else DEFAULT


def with_policy(config: PlannerConfig) -> PlannerConfig:
    """The same with proposals of a base policy, which stand in for uniform ones."""
    others = [kind for kind in config.proposals if kind not in (POLICY, "uniform")]
    return replace(config, proposals=(POLICY, *others))


def without_policy(config: PlannerConfig) -> PlannerConfig:
    """The same for where no base policy is at hand: its proposals are left to those of the default."""
    others = tuple(kind for kind in config.proposals if kind != POLICY)
    return replace(config, proposals=others or DEFAULT.proposals)
