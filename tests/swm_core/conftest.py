# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports tests by file, which leaves their folder off the path
import tabletop
from distributed import LocalCluster

from swm_core.data.collecting import collect
from swm_core.data.collection import plan_episodes
from swm_core.data.questioning import QuestionCatalogue
from swm_core.data.trajectories import Trajectories
from swm_core.tasks.langtable_questions import EFFECTOR_WORDS, LANGTABLE_LOCATE, LANGTABLE_QUESTIONS


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The tabletop environment, registered as an installed package would be, for child processes too."""
    folder = tmp_path_factory.mktemp("installed")
    tabletop.register(folder)
    sys.path.insert(0, str(folder))
    yield "tabletop"
    sys.path.remove(str(folder))


@pytest.fixture(scope="session")
def folder(environment: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set of two behaviours."""
    out = tmp_path_factory.mktemp("set")
    collect(tabletop.SETTINGS, out, plan_episodes([("chase", 30), ("wander", 30)], range(60)))
    return out


@pytest.fixture(scope="session")
def data(folder: Path) -> Trajectories:
    return Trajectories.load(folder)


@pytest.fixture(scope="session")
def catalogue() -> QuestionCatalogue:
    return QuestionCatalogue(LANGTABLE_QUESTIONS, LANGTABLE_LOCATE, EFFECTOR_WORDS, tabletop.ENTRY.names)


@pytest.fixture(scope="session")
def cluster(environment: str) -> Iterator[LocalCluster]:
    """Two workers of one thread, as child processes that find the tabletop environment."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as local:
        yield local
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before
