"""DreamerV3 keeps the contract while it trains: `bench check` with batches small enough to begin within its steps."""

import pytest

from bench.agents import conformance
from bench.agents.dreamer.agent import Dreamer


@pytest.mark.parametrize("task", ["counter/vector-box", pytest.param("counter/image-discrete", marks=pytest.mark.slow)])
def test_dreamer_keeps_the_contract(task, tmp_path, monkeypatch):
    variant = tmp_path / "early.yaml"
    variant.write_text("units: 32\ndeter: 64\nbatch: 4\nlength: 5\nstarts: 0\ntrain_ratio: 0.6\nimagination: 3\n")
    updates = []
    update = Dreamer.update
    monkeypatch.setattr(Dreamer, "update", lambda self, batch: updates.append(self) or update(self, batch))
    results = list(conformance.run(f"dreamer:{variant}", [task]))
    assert not [f"{result.name}: {result.reason}" for result in results if not result.ok]
    assert len(results) > 10
    assert len(updates) > 20
