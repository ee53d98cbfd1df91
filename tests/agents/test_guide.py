"""The agent that docs/write_an_agent.md prints is a complete plug-in and keeps the contract."""

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

from bench.agents import conformance, registry

PAGE = Path(__file__).parents[2] / "docs" / "write_an_agent.md"


def test_the_printed_agent_passes(monkeypatch, tmp_path):
    code, project = re.findall(
        r"```(?:python|toml)\n(# (?:my_agent\.py|pyproject\.toml).*?)```", PAGE.read_text(), re.DOTALL
    )
    (tmp_path / "my_agent.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    points = tomllib.loads(project)["project"]["entry-points"][registry.GROUP]
    found = [importlib.metadata.EntryPoint(name, value, registry.GROUP) for name, value in points.items()]
    monkeypatch.setattr(registry, "_installed", lambda: found)
    try:
        results = [*conformance.run("bandit"), *conformance.run("bandit:greedy")]
    finally:
        sys.modules.pop("my_agent", None)
    assert not [f"{result.name}: {result.reason}" for result in results if not result.ok]
    assert sum(result.reason.startswith("not: bandit needs discrete") for result in results) == 4
