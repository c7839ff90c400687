# SPDX-License-Identifier: Apache-2.0
"""Trajectories on disk, how they are collected and checked, and the question-answer samples drawn from them."""

from swm_core.data.schema import SCHEMA_VERSION, Episode, EpisodeMetadata
from swm_core.data.storage import EpisodeFile, list_episodes, read_episode, read_image, write_episode

__all__ = [
    "SCHEMA_VERSION",
    "Episode",
    "EpisodeFile",
    "EpisodeMetadata",
    "list_episodes",
    "read_episode",
    "read_image",
    "write_episode",
]
