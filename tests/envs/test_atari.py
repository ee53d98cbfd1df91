"""The Atari protocol, checked against the emulator itself."""

import numpy as np
import pytest

from bench.agents.api import Collection
from bench.envs.atari import CAP, NOOPS, REPEAT, AtariEnv

pytest.importorskip("ale_py")
PIL = pytest.importorskip("PIL.Image")


def emulator(rom):
    """A bare emulator just after power-on, for comparison."""
    from ale_py import ALEInterface, LoggerMode, roms

    ALEInterface.setLoggerMode(LoggerMode.Error)
    ale = ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(roms.get_rom_path(rom))
    return ale


def shrink(first, second):
    return np.asarray(PIL.fromarray(np.maximum(first, second)).resize((64, 64), PIL.Resampling.BILINEAR))


def test_a_decision_is_four_frames_the_maximum_of_the_last_two_then_one_resize():
    env, ale = AtariEnv("breakout"), emulator("breakout")
    env.reset(seed=3)
    for _ in range(np.random.default_rng(3).integers(NOOPS + 1)):
        ale.act(0)
    native, generator = ale.getMinimalActionSet(), np.random.default_rng(0)
    assert env.action_space.n == len(native) == 4
    total = 0.0
    for _ in range(60):
        action = generator.integers(4)
        frames, paid = [], 0.0
        for _ in range(REPEAT):
            paid += ale.act(native[action])
            frames.append(ale.getScreenRGB())
        observation, reward, terminated, _, _ = env.step(action)
        if ale.game_over():
            break
        assert reward == paid and not terminated
        assert np.array_equal(observation["image"], shrink(*frames[-2:]))
        total += reward
    assert total > 0


def test_noops_come_from_the_episodes_seed_and_the_first_picture_is_not_black():
    env = AtariEnv("pong")
    numbers = {}
    for seed in range(60):
        observation, _ = env.reset(seed=seed)
        assert observation["image"].max() > 100
        numbers[seed] = env._ale.getEpisodeFrameNumber()
    assert min(numbers.values()) == 0 and max(numbers.values()) == NOOPS
    assert numbers == {seed: int(np.random.default_rng(seed).integers(NOOPS + 1)) for seed in numbers}


def play(env, seed, policy=None):
    """Steps of one episode: (reward, score, terminated, truncated)."""
    generator = np.random.default_rng(seed)
    env.reset(seed=seed)
    steps = []
    while not steps or not any(steps[-1][2:]):
        action = generator.integers(env.action_space.n) if policy is None else policy
        _, reward, terminated, truncated, info = env.step(action)
        steps.append((reward, info["score"], terminated, truncated))
    return steps


def test_only_game_over_terminates_and_lives_do_not():
    env = AtariEnv("breakout")
    steps = play(env, 0)
    assert steps[-1][2:] == (True, False) and env._ale.game_over() and env._ale.lives() == 0
    assert not env.continues


def test_a_lost_life_may_end_the_training_episode_and_the_game_goes_on():
    env = AtariEnv("breakout", Collection(life_loss_ends=True))
    whole = AtariEnv("breakout")
    lives, score = [], 0.0
    generator = np.random.default_rng(0)
    env.reset(seed=0)
    for _ in range(10_000):
        _, reward, terminated, _, _ = env.step(generator.integers(4))
        score += reward
        if terminated:
            lives.append(env._ale.lives())
            if not env.continues:
                break
            before = env._ale.getEpisodeFrameNumber()
            env.reset(seed=123)
            assert env._ale.getEpisodeFrameNumber() == before + 1  # one no-op in the same game
    assert lives == [4, 3, 2, 1, 0]
    env.reset(seed=5)
    whole.reset(seed=5)
    assert env.fingerprint() == whole.fingerprint() and env._ale.lives() == 5  # a new game after game over


def test_the_agent_may_be_paid_signs_while_the_score_stays_raw():
    steps = play(AtariEnv("alien", Collection(frame_sign_reward=True)), 0)
    raw = play(AtariEnv("alien"), 0)
    assert [score for _, score, *_ in steps] == [reward for reward, *_ in raw]
    assert {reward for reward, *_ in steps} <= set(range(-REPEAT, REPEAT + 1))
    assert max(score for _, score, *_ in steps) > REPEAT


def test_time_limits_truncate():
    steps = play(AtariEnv("freeway", Collection(max_frames=200)), 0)
    assert len(steps) == 50 and steps[-1][2:] == (False, True)
    assert AtariEnv("freeway").episode_steps == CAP // REPEAT == 27_000


def test_the_cap_truncates_a_game_that_never_ends():
    env = AtariEnv("boxing")
    env.reset(seed=0)
    env._frames = CAP - 2 * REPEAT
    assert [env.step(0)[2:4] for _ in range(2)] == [(False, False), (False, True)]
