"""Names, protocols and the shipped faces of the tasks."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from bench.agents.api import Collection
from bench.envs import dmc, registry
from bench.envs.base import UnknownTask
from bench.envs.registry import known, make, missing, protocol, resolve, task

EVERY_DAY = {"atari/pong", "dmc-state/cartpole_swingup", "dmc-state/walker_walk", "carracing/v3"} | {
    name for name in known() if name.startswith("toy/")
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in EVERY_DAY else pytest.mark.slow) for name in known()]
)
def test_the_shipped_face_is_the_simulators(name):
    lacking = missing(name)
    if lacking:
        pytest.skip(lacking)
    env = make(name)
    told, face = task(name), registry.describe(env)
    assert (told.observation, told.action) == (env.observation_space, env.action_space)
    assert {key: face[key] for key in ("action_repeat", "episode_steps", "terminates")} == {
        "action_repeat": told.action_repeat,
        "episode_steps": told.episode_steps,
        "terminates": told.terminates,
    }
    if env.episode_steps is not None and isinstance(env, dmc.ControlEnv):
        assert env._env._step_limit == env.episode_steps * env.action_repeat
    env.close()


@pytest.mark.parametrize("name", [*sorted(EVERY_DAY), "gym:CartPole-v1"])
def test_observations_and_actions_lie_in_the_spaces(name):
    env = make(name)
    observation, _ = env.reset(seed=1)
    told = task(name)
    for _ in range(5):
        assert told.observation.contains(observation), {key: (row.dtype, row.shape) for key, row in observation.items()}
        observation, reward, terminated, truncated, _ = env.step(told.action.sample())
        assert isinstance(float(reward), float) and isinstance(terminated, bool) and isinstance(truncated, bool)
    if "vector" not in told.observation.spaces or name.startswith("dmc-state/"):
        assert env.frame().dtype == np.uint8
    env.close()


def test_every_protocol_is_json_with_name_version_and_repeat():
    for name in [*known(), "gym:CartPole-v1"]:
        document = protocol(name)
        assert json.loads(json.dumps(document)) == document
        assert document["name"] == name.partition("/")[0].partition(":")[0] and document["version"] >= 1
        if not name.startswith("gym:"):
            assert document["action_repeat"] == task(name).action_repeat


def test_protocols_tell_tasks_apart():
    assert len({json.dumps(protocol(name)) for name in known()}) == len(known())


@pytest.mark.parametrize(
    "name, meant",
    [
        ("pong", "atari/pong"),
        ("Pong", "atari/pong"),
        ("james_bond", "atari/jamesbond"),
        ("atari/tennis", "atari/tennis"),  # one of the emulator's other games
        ("dmc-state/cup-catch", "dmc-state/ball_in_cup_catch"),
        ("dmc-vision/walker_walk", "dmc-vision/walker_walk"),
        ("pixel-catch", "toy/pixel-catch"),
        ("gym:CartPole-v1", "gym:CartPole-v1"),
    ],
)
def test_names(name, meant):
    assert resolve(name) == meant


def test_a_bare_name_is_looked_up_in_the_suite():
    suite = ["dmc-vision/walker_walk", "dmc-vision/cheetah_run"]
    assert resolve("walker-walk", suite) == "dmc-vision/walker_walk"
    with pytest.raises(UnknownTask, match=r"unknown task 'pong' in this suite.*bench list tasks"):
        resolve("pong", suite)


@pytest.mark.parametrize(
    "name, says",
    [
        ("pnog", "Did you mean 'atari/pong'"),
        ("walker_walk", "dmc-state/walker_walk or dmc-vision/walker_walk"),
        ("atari/nonsuch", "unknown task 'atari/nonsuch'"),
        ("gym:CartPol-v1", "CartPole"),
        ("dmc-state/lqr_lqr_2_1", "unknown task"),
    ],
)
def test_a_wrong_name_gets_the_nearest_ones(name, says):
    with pytest.raises(UnknownTask, match=says):
        resolve(name)


def test_unsupported_training_options_are_refused_with_a_reason():
    assert "'envpool' back end" in str(missing("atari/pong", Collection(backend="envpool")))
    assert "life_loss_ends" in str(missing("toy/reach", Collection(life_loss_ends=True)))
    assert missing("atari/pong", Collection(life_loss_ends=True, max_frames=20_000)) is None
    with pytest.raises(ValueError, match="envpool"):
        make("atari/pong", Collection(backend="envpool"))


@pytest.mark.parametrize("wish", ["disable", "osmesa", "egl"])
def test_without_a_rendering_library_a_sentence_says_what_to_install(monkeypatch, wish):
    monkeypatch.setattr(dmc, "_loads", lambda _: False)
    monkeypatch.setenv("MUJOCO_GL", wish)
    dmc.renderer.cache_clear()
    assert "apt-get install libegl1 libosmesa6" in str(missing("dmc-vision/walker_walk"))
    assert missing("dmc-state/walker_walk") is None
    monkeypatch.delenv("MUJOCO_GL")
    dmc.renderer.cache_clear()
    assert "no rendering library" in str(missing("dmc-vision/walker_walk"))
    dmc.renderer.cache_clear()


def test_listing_starts_no_simulator_and_takes_no_time():
    code = (
        "import sys; from bench.envs import registry as r; from bench.agents.api import Task\n"
        "assert len(r.known()) > 100 and all(isinstance(r.task(t), Task) and r.protocol(t) for t in r.known())\n"
        "print(sorted({'torch', 'mujoco', 'dm_control', 'ale_py', 'PIL', 'pygame', 'Box2D'} & set(sys.modules)))"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert time.perf_counter() - start < 2  # 0.3 s on an idle core
