"""The allowance plug-in in a session of its own."""

from textwrap import dedent

import pytest

pytest_plugins = ["pytester"]

BUSY = """
    import subprocess, sys, time
    def test_busy():
        code = "import time\\nwhile time.process_time() < {seconds}: pass"
        subprocess.run([sys.executable, "-c", code], check=True)
"""


def session(pytester: pytest.Pytester, path: str, monkeypatch: pytest.MonkeyPatch) -> pytest.RunResult:
    file = pytester.path / path
    file.parent.mkdir(parents=True)
    file.write_text(dedent(BUSY.format(seconds=0.4)))
    monkeypatch.setattr(
        "bench.tests.allowance.SHARES", {"numerics and conformance": 15.0, "learning": 0.3, "resume": 5.0}
    )
    return pytester.runpytest_inprocess("-p", "bench.tests.allowance", "--import-mode=importlib")


def test_a_family_over_its_allowance_fails_the_session(pytester, monkeypatch):
    result = session(pytester, "tests/agents/greedy/test_learning.py", monkeypatch)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["greedy * learning * of *OVER"])


@pytest.mark.parametrize("path", ["tests/agents/greedy/test_resume.py", "tests/agents/greedy/test_numerics.py"])
def test_a_family_within_its_allowance_passes(pytester, monkeypatch, path):
    result = session(pytester, path, monkeypatch)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["greedy * of *"])
    assert "OVER" not in result.stdout.str()


@pytest.mark.parametrize("path", ["tests/agents/test_learning.py", "tests/results/store/test_learning.py"])
def test_what_belongs_to_no_family_is_not_counted(pytester, monkeypatch, path):
    result = session(pytester, path, monkeypatch)
    assert result.ret == pytest.ExitCode.OK
    assert "core-seconds" not in result.stdout.str()


def test_what_the_workers_of_xdist_ran_is_added_up(pytester):
    """Two files of one family, each within the share, in a process each."""
    folder = pytester.path / "tests" / "agents" / "greedy"
    folder.mkdir(parents=True)
    for name in ("test_learning_a.py", "test_learning_b.py"):
        (folder / name).write_text(dedent(BUSY.format(seconds=0.3)))
    pytester.makeconftest('from bench.tests import allowance\nallowance.SHARES["learning"] = 0.5')
    result = pytester.runpytest_subprocess(
        "-n", "2", "--dist", "loadfile", "-p", "bench.tests.allowance", "--import-mode=importlib"
    )
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["greedy * learning * of *OVER"])
