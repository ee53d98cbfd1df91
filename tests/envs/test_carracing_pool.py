"""EnvPool's CarRacing beside gymnasium's: the same protocol, an episode for each seed, and the same scores."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from bench.agents.api import Collection
from bench.envs import carracing, carracing_pool, registry
from bench.envs.base import MissingExtra, TaskEnv
from bench.tests.envs import play
from bench.tests.envs.drivers import DRIVERS

TASK = "carracing/v3"
POOLED = Collection(backend="envpool")
EPISODES = 20  # of each driver in each back end
needs_pool = pytest.mark.skipif(
    carracing_pool.missing() is not None,
    reason=f"EnvPool's ends, replays and parity not checked: {carracing_pool.missing()}",
)
STAND = np.array([0, -1, -1], np.float32)


@pytest.fixture
def env():
    env = registry.make(TASK, POOLED)
    yield env
    env.close()


@needs_pool
def test_a_function_of_seed_and_actions(env):
    fresh = play.trace(env, 5, 40)
    assert fresh != play.trace(env, 6, 40)
    play.trace(env, 7, 80)
    assert play.trace(env, 5, 40) == fresh, "what was played before shows"
    others = [registry.make(TASK, POOLED) for _ in range(2)]
    for other in others:
        other.reset(seed=5)
    seen = [[play.digest(other, other.step(action)[0]) for other in others] for action in play.actions(env, 5, 40)]
    assert seen == [[digest] * 2 for digest, *_ in fresh[1:]], "what is played beside it shows"
    code = (
        "import json; from bench.tests.envs import play, test_carracing_pool as t; "
        "print(json.dumps(play.trace(t.registry.make(t.TASK, t.POOLED), 5, 40)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == fresh, "another process sees another episode"


@needs_pool
def test_its_face_is_the_tasks(env):
    told = registry.task(TASK)
    observation, _ = env.reset(seed=0)
    assert (told.observation, told.action) == (env.observation_space, env.action_space)
    assert (told.action_repeat, told.episode_steps) == (env.action_repeat, env.episode_steps)
    assert told.observation.contains(observation)
    assert np.array_equal(observation["image"], carracing.road(env.frame())["image"])
    kept = observation["image"].copy()
    for _ in range(30):
        env.step(np.array([0, 5, -1], np.float32))  # beyond the bounds: clipped
    assert np.array_equal(observation["image"], kept)


@needs_pool
def test_it_ends_by_time_after_a_thousand_steps_and_by_leaving(env):
    env.reset(seed=0)
    ends = [env.step(STAND)[2:4] for _ in range(carracing.STEPS)]
    assert set(ends[:-1]) == {(False, False)} and ends[-1] == (False, True)
    env.reset(seed=0)
    over, total = False, 0.0
    while not over:
        _, reward, over, truncated, _ = env.step(np.array([0, -0.6, -1], np.float32))
        total += reward
        assert not truncated
    assert reward == -100 and -100 < total < 0


@needs_pool
def test_a_finished_lap_terminates_and_is_paid_in_full(env):
    best = DRIVERS[8]
    for seed in range(10):
        total = sum(paid for _, paid in best.drive(env, seed))
        if env._steps < carracing.STEPS and total > 0:
            assert total == pytest.approx(1000 - 0.1 * env._steps, abs=0.05 * 1000)  # 95 % of the tiles are a lap
            return
    pytest.fail("no lap was finished")


def test_without_the_package_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "envpool", None)
    assert "pip install 'envpool>=1.2,<2' (this suite's extra envpool)" in str(registry.missing(TASK, POOLED))
    assert registry.missing(TASK) is None
    with pytest.raises(MissingExtra, match="pip install 'envpool>=1.2,<2'"):
        registry.make(TASK, POOLED)


def test_evaluation_and_other_tasks_do_not_get_it():
    assert isinstance(registry.make(TASK), carracing.RacingEnv)
    assert "toy/reach has no 'envpool' back end: use collection.backend=gymnasium" in str(
        registry.missing("toy/reach", POOLED)
    )
    assert "no 'pool' back end" in str(registry.missing(TASK, Collection(backend="pool")))


def measured(env: TaskEnv, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns [episode] of a driver, and of its pictures' numbers the count, the sum and the sum of squares. Every
    episode has a seed of its own: drivers that shared their tracks would not be independent."""
    returns, sums = np.zeros(EPISODES), np.zeros(3)
    for episode in range(EPISODES):
        for picture, paid in DRIVERS[index].drive(env, index * EPISODES + episode):
            returns[episode] += paid
            sums += picture.size, picture.sum(dtype=np.int64), (picture.astype(np.int64) ** 2).sum()
    return returns, sums


@needs_pool
@pytest.mark.slow
def test_twenty_drivers_score_alike_in_both_back_ends(env):
    both = registry.make(TASK), env
    means, pictures = np.zeros((len(DRIVERS), 2)), np.zeros((2, 3))
    for index, driver in enumerate(DRIVERS):
        for side, one in enumerate(both):
            returns, sums = measured(one, index)
            means[index, side] = returns.mean()
            pictures[side] += sums
            print(f"{driver if not side else 'EnvPool'}: {returns.mean():.1f} ± {stats.sem(returns):.1f}", flush=True)
    difference = means[:, 1] - means[:, 0]
    half = stats.t.ppf(0.975, len(DRIVERS) - 1) * stats.sem(difference)
    correlation = np.corrcoef(means.T)[0, 1]
    mean, square = pictures[:, 1:].T / pictures[:, 0]
    shade = np.array((mean, np.sqrt(square - mean**2)))  # [mean and deviation, back end]
    print(f"correlation {correlation:.4f}, difference {difference.mean():.1f} ± {half:.1f}, pictures {shade.round(2)}")
    assert np.ptp(means[:, 0]) > 500, "drivers that are alike would prove nothing"
    assert correlation > 0.95
    assert abs(difference.mean()) <= half
    assert (abs(shade[:, 1] / shade[:, 0] - 1) < 0.05).all()
