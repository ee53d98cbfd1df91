"""The house itself: what pyproject.toml lists is what the tree holds, and what is built can be imported elsewhere."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ("agents", "benchmarks", "envs", "report", "results")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def _folders() -> list[Path]:
    """Every folder of the package but caches, the root left out."""
    found = [folder for top in HOUSE for folder in [ROOT / top, *(ROOT / top).rglob("*")] if folder.is_dir()]
    return [folder for folder in found if "__pycache__" not in folder.parts]


def _dotted(folder: Path) -> str:
    return ".".join(["bench", *folder.relative_to(ROOT).parts])


def test_the_listed_packages_are_those_in_the_tree() -> None:
    assert SETUPTOOLS["packages"] == sorted(
        ["bench", *(_dotted(f) for f in _folders() if (f / "__init__.py").exists())]
    )


def test_every_data_file_is_shipped() -> None:
    packages, patterns = set(SETUPTOOLS["packages"]), SETUPTOOLS["package-data"]
    for folder in _folders():
        owner = folder
        while _dotted(owner) not in packages:
            owner = owner.parent
        for file in folder.iterdir():
            if file.is_file() and file.suffix not in (".py", ".pyc"):
                name = str(file.relative_to(owner))
                allowed = patterns["*"] + patterns.get(_dotted(owner), [])
                assert any(fnmatch(name, pattern) for pattern in allowed), (
                    f"{file.relative_to(ROOT)} is not in package-data"
                )


def test_independence_is_checked_for_every_family() -> None:
    contracts = {contract["id"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]}
    families = sorted(_dotted(f.parent) for f in (ROOT / "agents").glob("*/agent.py"))
    assert contracts["families"]["modules"] == families


def test_no_file_is_too_long() -> None:
    files = [file for folder in _folders() for file in folder.glob("*.py")]
    long = {str(file.relative_to(ROOT)): n for file in files if (n := file.read_text().count("\n")) > 400}
    assert long == {}


@pytest.mark.slow
def test_the_wheel_works_without_the_tree(tmp_path: Path) -> None:
    # setuptools writes its egg-info beside the source, so it gets a copy of what git would clone.
    source = tmp_path / "source"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, source]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("wm_bench-*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import bench; from bench.results import published; from bench.benchmarks import suites; "
        "print(bench.__file__, len(published.scores(suites.get('dmc').tasks)) > 1000)"
    )
    imported = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        check=True,
        capture_output=True,
        text=True,
    )
    assert imported.stdout.split() == [str(tmp_path / "site" / "bench" / "__init__.py"), "True"]
