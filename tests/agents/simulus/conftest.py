"""Agents that several files look at; none changes them for good."""

import pytest

from bench.agents.counter import TASKS
from bench.agents.simulus.agent import Simulus
from bench.tests.agents.simulus.subjects import played

VECTOR, IMAGE = TASKS["counter/vector-box"], TASKS["counter/image-discrete"]


@pytest.fixture(scope="package")
def mover() -> Simulus:
    """Has seen vectors, and learnt."""
    return played(VECTOR, steps=60).agent


@pytest.fixture(scope="package")
def seer() -> Simulus:
    """Has seen images, and learnt."""
    return played(IMAGE, steps=60).agent
