"""Take Cover's protocol, and that its game process leaves nothing behind."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from bench.envs import registry, takecover
from bench.envs.base import MissingExtra
from bench.tests.envs import play

TASK = "takecover/v1"
LEFT, STAY, RIGHT = range(3)
needs_game = pytest.mark.skipif(
    takecover.missing() is not None,
    reason=f"{TASK}'s actions, rewards, ends and replays not checked: {takecover.missing()}",
)


@pytest.fixture
def env():
    env = registry.make(TASK)
    yield env
    env.close()


def where(env):
    (player,) = (thing for thing in env._state.objects if thing.name == "DoomPlayer")
    return np.array([player.position_x, player.position_y]), math.radians(player.angle)


@needs_game
def test_left_is_the_players_left(env):
    for action, side in ((LEFT, 1), (STAY, 0), (RIGHT, -1)):
        env.reset(seed=3)
        start, heading = where(env)
        for _ in range(20):
            env.step(action)
        moved = (where(env)[0] - start) @ (-math.sin(heading), math.cos(heading))
        assert abs(moved) > 5 if side else moved == 0
        assert np.sign(moved) == side


@needs_game
def test_every_tic_pays_one_and_death_shows_the_last_picture(env):
    observation, _ = env.reset(seed=5)
    told = registry.task(TASK)
    assert (told.observation, told.action) == (env.observation_space, env.action_space)
    assert told.observation.contains(observation)
    total, dead = 0.0, False
    while not dead:
        before = observation
        observation, reward, dead, truncated, _ = env.step(STAY)
        total += reward
        assert not truncated
    assert total == env._game.get_total_reward() > 50  # what the game itself paid
    assert env._game.is_player_dead()
    np.testing.assert_array_equal(observation["image"], before["image"])
    assert observation["image"].any()


@needs_game
def test_a_minute_is_the_limit(env, monkeypatch):
    assert env.episode_steps == takecover.STEPS == 60 * env._game.get_ticrate()
    monkeypatch.setattr(takecover, "STEPS", 30)  # nobody lives for a minute by chance
    env.reset(seed=5)
    assert [env.step(STAY)[2:4] for _ in range(30)] == [(False, False)] * 29 + [(False, True)]


@needs_game
def test_to_the_death_a_function_of_seed_and_actions(env):
    """tests/envs/test_determinism.py for the first tics; here whole episodes, the fight included."""
    fresh = play.trace(env, 5, 2100)
    assert fresh[-1][2], "nobody died"
    play.trace(env, 7, 2100)
    assert play.trace(env, 5, 2100) == fresh

    env.reset(seed=5)
    last = len(fresh) - 2
    for number, action in enumerate(play.actions(env, 5, 2100)[:last], 1):
        env.blind = number < last
        observation, *_ = env.step(action)
    assert play.digest(env, observation) == fresh[last][0], "a blind replay ends elsewhere"


@needs_game
@pytest.mark.parametrize("number, said", [(signal.SIGINT, "9.0\n"), (signal.SIGKILL, "")])
def test_a_signal_leaves_the_run_its_game_and_nothing_behind(tmp_path, number, said):
    """Ctrl-C reaches a whole process group; the run still has a game to end its work with. A kill spares nothing."""
    code = (
        "import signal; from bench.envs import registry; seen = []\n"
        "signal.signal(signal.SIGINT, lambda *_: seen.append(1))\n"
        f"env = registry.make({TASK!r}); env.reset(seed=1); print('ready', flush=True)\n"
        "while not seen: env.step(1)[2] and env.reset(seed=1)\n"
        "env.reset(seed=1); print(sum(env.step(1)[1] for _ in range(9)), flush=True); env.close()\n"
    )
    before = set(Path("/dev/shm").glob("ViZDoom*"))
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / ".link")},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with child:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        (game,) = psutil.Process(child.pid).children()
        os.killpg(child.pid, number)
        assert child.stdout.read() == said
    deadline = time.monotonic() + 10
    while game.is_running() and game.status() != psutil.STATUS_ZOMBIE:  # nobody may be there to bury it
        assert time.monotonic() < deadline, "the game outlives its run"
        time.sleep(0.05)
    assert not set(Path("/dev/shm").glob("ViZDoom*")) - before
    assert not list(tmp_path.iterdir())


def test_without_the_package_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vizdoom", None)
    assert "pip install 'vizdoom>=1.3,<2' (this suite's extra vizdoom)" in str(registry.missing(TASK))
    with pytest.raises(MissingExtra, match="pip install 'vizdoom>=1.3,<2'"):
        registry.make(TASK)
    assert registry.task(TASK).action.n == 3  # listing needs no game
