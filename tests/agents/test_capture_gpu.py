"""CUDA graphs of every family on a GPU: captured equals eager, and nothing falls back to eager calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from bench.agents.common.capture import WARM_UP
from bench.tests.agents.test_capture import FAMILIES, lived, subject

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(),
        reason="no CUDA device: not checked whether captured updates, decisions and dreams equal eager ones on a GPU",
    ),
]


def numbers(tree: Any) -> Iterator[torch.Tensor]:
    """All that is counted in floats."""
    if isinstance(tree, torch.Tensor | np.ndarray):
        tensor = torch.as_tensor(tree).cpu()
        if tensor.is_floating_point():
            yield tensor.float()
    elif isinstance(tree, dict | list | tuple):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from numbers(part)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_captured_life_is_the_eager_one(name):
    """To 1e-3 of each number: the same kernels in the same order, some of which add in no fixed order."""
    eager, graphs = subject(name, "cuda:0"), subject(name, "cuda:0")
    eager.agent.capture.backend = None
    for one, other in zip(numbers(lived(eager)), numbers(lived(graphs)), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-3, equal_nan=True)
    assert str(graphs.agent.capture) == "graphs"


def test_a_capture_that_fails_leaves_generators_and_stream_as_they_were():
    agent = subject("tdmpc2", "cuda:0").agent
    chance, stream = torch.Generator("cuda:0").manual_seed(0), torch.cuda.current_stream()

    def waits(generator: torch.Generator) -> torch.Tensor:
        drawn = torch.rand(4, generator=generator, device="cuda:0")
        return drawn * float(drawn[0] > 2)

    function = agent.capture(waits)
    with pytest.warns(UserWarning, match="goes on eagerly"):
        for _ in range(WARM_UP + 1):
            function(chance)
    assert str(agent.capture).startswith("eager: ")
    assert torch.cuda.current_stream() == stream
    again = torch.Generator("cuda:0").manual_seed(0)
    drawn = [torch.rand(4, generator=again, device="cuda:0") for _ in range(WARM_UP + 2)]
    assert torch.equal(torch.rand(4, generator=chance, device="cuda:0"), drawn[-1])
