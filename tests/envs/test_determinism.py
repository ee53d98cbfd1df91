"""Every environment is a function of (episode seed, actions): in any process, after any other episode, drawn or not."""

import json
import subprocess
import sys

import pytest

from bench.envs import registry
from bench.tests.envs import play

EVERY_DAY = {
    "toy/reach": 50,
    "toy/maze": 60,
    "toy/pixel-reach": 50,
    "toy/pixel-catch": 40,
    "atari/pong": 120,
    "atari/freeway": 120,  # the emulator's own reset leaves traces here
    "dmc-state/cartpole_swingup": 60,
    "dmc-state/quadruped_walk": 40,
    "dmc-state/reacher_hard": 60,  # moves its target's geometry at the start
    "dmc-vision/cartpole_swingup": 8,
    "carracing/v3": 25,
    "takecover/v1": 60,
    "gym:CartPole-v1": 60,
    "gym:Pendulum-v1": 60,
}
SLOW = {
    task: 8 if task.startswith("dmc-vision") else 150
    for task in registry.known()
    if task.startswith(("atari", "dmc")) and task not in EVERY_DAY
}
CASES = [*EVERY_DAY.items(), *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW.items())]


@pytest.mark.parametrize("task, count", CASES)
def test_a_function_of_seed_and_actions(task, count):
    lacking = registry.missing(task)
    if lacking:
        pytest.skip(lacking)
    env = registry.make(task)
    fresh = play.trace(env, 5, count)
    assert fresh != play.trace(env, 6, count)  # another seed is another episode
    play.trace(env, 7, 2 * count)
    assert play.trace(env, 5, count) == fresh, "what was played before shows"

    command = [sys.executable, "-m", "bench.tests.envs.play", task, str(count), "9", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)[1] == fresh, "another process sees another episode"

    # An open episode, all but its last action without drawing: as a resume plays it.
    last = len(fresh) - 2
    env.reset(seed=5)
    for number, action in enumerate(play.actions(env, 5, count)[:last], 1):
        env.blind = number < last
        observation, *_ = env.step(action)
    assert play.digest(env, observation) == fresh[last][0], "a blind replay ends elsewhere"
    env.close()
