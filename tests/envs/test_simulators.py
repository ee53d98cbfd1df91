"""Control suite, CarRacing and Gymnasium ids, each against its simulator."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from bench.envs import any_gym
from bench.envs.any_gym import GymEnv, UnsupportedSpace
from bench.envs.carracing import RacingEnv
from bench.envs.dmc import ControlEnv, load_suite
from bench.envs.registry import missing, task

pytest.importorskip("dm_control")
PIL = pytest.importorskip("PIL.Image")
suite = load_suite()


def test_a_control_step_is_two_frames_of_the_suites_task():
    env = ControlEnv("reacher/easy", vision=False)
    theirs = suite.load("reacher", "easy", task_kwargs={"random": np.random.RandomState(4)})
    observation, _ = env.reset(seed=4)
    moment = theirs.reset()
    generator = np.random.default_rng(0)
    for _ in range(30):
        leaves = np.concatenate([np.ravel(leaf) for leaf in moment.observation.values()])
        assert list(moment.observation) == list(theirs.observation_spec())
        np.testing.assert_array_equal(observation["vector"], leaves.astype(np.float32))
        action = generator.uniform(-1.5, 1.5, 2)  # beyond the bounds: clipped
        paid = 0.0
        for _ in range(2):
            moment = theirs.step(np.clip(action, -1, 1))
            paid += moment.reward
        observation, reward, *_ = env.step(action)
        assert reward == paid


def test_actions_are_mapped_to_the_tasks_own_bounds():
    env = ControlEnv("fish/swim", vision=False)
    env.reset(seed=0)
    env._low, env._high = env._low - 1, env._high + 2  # as a task with other bounds has them
    given = []
    env._env.step = lambda action: given.append(action) or suite.load("fish", "swim").reset()._replace(reward=0.0)
    for unit in (-1, 0, 1, 7):
        env.step(np.full(env.action_space.shape, unit))
    assert [action[0] for action in given[::2]] == [-2, 0.5, 3, 3]


def test_a_control_episode_has_500_decisions_and_never_terminates():
    env = ControlEnv("pendulum/swingup", vision=False)
    env.reset(seed=0)
    ends = [env.step(np.zeros(1))[2:4] for _ in range(500)]
    assert set(ends[:-1]) == {(False, False)} and ends[-1] == (False, True)


def test_control_pictures_come_from_the_stated_camera():
    if missing("dmc-vision/quadruped_walk"):
        pytest.skip(str(missing("dmc-vision/quadruped_walk")))
    for name, camera in (("quadruped/walk", 2), ("cartpole/balance", 0)):
        env = ControlEnv(name, vision=True)
        observation, _ = env.reset(seed=0)
        assert np.array_equal(observation["image"], env._env.physics.render(64, 64, camera))
        assert observation["image"].std() > 5
        env.close()


def test_carracing_is_gymnasiums_without_the_bar():
    env, theirs = RacingEnv(), gymnasium.make("CarRacing-v3")
    observation, _ = env.reset(seed=11)
    picture, _ = theirs.reset(seed=11)
    for _ in range(8):
        road = PIL.fromarray(picture[:84]).resize((64, 64), PIL.Resampling.BILINEAR)
        assert np.array_equal(observation["image"], np.asarray(road))
        observation, reward, terminated, _, _ = env.step(np.array([0.5, 0.0, -1.0], np.float32))
        picture, paid, ended, _, _ = theirs.step(np.array([0.5, 0.5, 0.0]))
        assert (reward, terminated) == (paid, ended)
    env.close()
    theirs.close()


def test_carracing_ends_by_success_by_leaving_and_by_time():
    env = RacingEnv()
    env.reset(seed=0)
    env.blind = True
    brake = np.array([0, -1, 1], np.float32)
    env._env.tile_visited_count = len(env._env.track)
    assert env.step(brake)[2:4] == (True, False)
    env.reset(seed=0)
    env._env.car.hull.position = (1000, 0)
    _, reward, *flags, _ = env.step(brake)
    assert (reward, flags) == (-100, [True, False])
    env.reset(seed=0)
    env._steps = 998
    assert [env.step(brake)[2:4] for _ in range(2)] == [(False, False), (False, True)]
    env.close()


class Odd(gymnasium.Env):
    """A Gymnasium environment with the spaces it is given."""

    metadata = {"render_modes": []}

    def __init__(self, observation, action, render_mode=None):
        self.observation_space, self.action_space = observation, action
        self.given = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        self.given.append(action)
        return self.observation_space.sample(), 1.0, False, False, {}


@pytest.fixture
def odd():
    made = []

    def register(observation, action):
        name = f"Odd{len(made)}-v0"
        gymnasium.register(name, lambda **kwargs: Odd(observation, action, **kwargs), disable_env_checker=True)
        made.append(name)
        return GymEnv(name)

    yield register
    for name in made:
        del gymnasium.registry[name]


def test_any_observation_becomes_a_picture_and_a_vector(odd):
    given = spaces.Dict(
        {"eye": spaces.Box(0, 255, (8, 6), np.uint8), "kind": spaces.Discrete(3), "place": spaces.Box(-1, 1, (2, 2))}
    )
    env = odd(given, spaces.Discrete(2, start=5))
    observation, _ = env.reset(seed=0)
    assert env.observation_space["image"].shape == (8, 6, 1) and env.observation_space["vector"].shape == (7,)
    assert env.observation_space.contains(observation)
    assert observation["vector"][:3].sum() == 1  # one-hot
    env.step(1)
    assert env._env.unwrapped.given == [6]


def test_actions_of_a_box_are_mapped_to_its_bounds(odd):
    env = odd(spaces.Discrete(4), spaces.Box(np.array([0, -2]), np.array([10, 2]), dtype=np.float64))
    observation, _ = env.reset(seed=0)
    assert observation["vector"].shape == (4,)
    for unit in (-1, 0, 3):
        env.step(np.full(2, unit, np.float32))
    np.testing.assert_allclose(env._env.unwrapped.given, [[0, -2], [5, 0], [10, 2]])


@pytest.mark.parametrize(
    "observation, action, says",
    [
        (spaces.Box(-1, 1, (2,)), spaces.MultiDiscrete([2, 2]), "neither Discrete nor a bounded Box"),
        (spaces.Box(-1, 1, (2,)), spaces.Box(-np.inf, np.inf, (2,)), "neither Discrete nor a bounded Box"),
        (spaces.Sequence(spaces.Discrete(2)), spaces.Discrete(2), "no fixed size"),
        (spaces.Dict({k: spaces.Box(0, 255, (8, 8, 3), np.uint8) for k in "ab"}), spaces.Discrete(2), "2 pictures"),
    ],
)
def test_what_cannot_be_translated_is_refused_with_a_reason(odd, observation, action, says):
    with pytest.raises(UnsupportedSpace, match=says):
        odd(observation, action)


def test_a_gymnasium_task_knows_its_time_limit():
    told = task("gym:CartPole-v1")
    assert (told.episode_steps, told.action_repeat, told.terminates) == (500, 1, True)
    assert "500 steps" in any_gym.protocol("CartPole-v1")["truncated"]
    assert missing("gym:CartPole-v1") is None
