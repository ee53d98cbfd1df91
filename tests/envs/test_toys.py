"""The toys' claims: reference levels, no blind sequence gets halfway, no memoryless policy solves the catch."""

from collections import deque
from itertools import pairwise

import numpy as np
import pytest

from bench.envs import toys
from bench.envs.toy_pixels import PixelCatch, PixelReach
from bench.envs.toys import CATCH_STEPS, Maze, Reach, references

ENVS = {"toy/reach": Reach, "toy/maze": Maze, "toy/pixel-reach": PixelReach, "toy/pixel-catch": PixelCatch}


def steer(env):
    """The optimum: along both axes as fast as it goes, which keeps the distance the least possible at every step."""
    gap = np.array([env._goal_x - env._x, env._goal_y - env._y])
    return np.clip(gap / toys.SPEED, -1, 1)


def walk(env):
    """The optimum: the shortest way to the goal's door around the other doors."""
    target = toys.DOORS[env._goal]
    queue, first = deque([env._at]), {env._at: None}
    while queue:
        at = queue.popleft()
        for number, (row, column) in enumerate(toys.MOVES):
            there = at[0] + row, at[1] + column
            if there in toys._FREE and there not in first and (there not in toys.DOORS or there == target):
                first[there] = number if first[at] is None else first[at]
                queue.append(there)
    return first[target]


def catch(env):
    """The optimum: to the middle of the cued ball's three places, and stay."""
    return 1 + int(np.sign(3 * env._cue + 1 - env._place))


OPTIMAL = {"toy/reach": steer, "toy/maze": walk, "toy/pixel-reach": steer, "toy/pixel-catch": catch}


def returns(task, policy, episodes):
    env = ENVS[task]()
    env.blind = True  # what is drawn does not matter here
    result = []
    for seed in range(episodes):
        env.reset(seed=seed)
        total, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(policy(env))
            total, over = total + reward, terminated or truncated
        result.append(total)
    return np.array(result)


def uniform(task, seed=0):
    env = ENVS[task]()
    env.action_space.seed(seed)
    return lambda _: env.action_space.sample()


@pytest.mark.parametrize("task", ENVS)
def test_references_are_what_the_policies_score(task):
    random, optimum = references()[task]
    measured = returns(task, uniform(task), 1500)
    assert abs(measured.mean() - random) < 4 * measured.std() / len(measured) ** 0.5
    best = returns(task, OPTIMAL[task], 300)
    assert abs(best.mean() - optimum) <= 4 * best.std() / len(best) ** 0.5 + 1e-9


def way(task, score):
    random, optimum = references()[task]
    return (score - random) / (optimum - random)


@pytest.mark.parametrize("task", ["toy/reach", "toy/pixel-reach"])
def test_no_sequence_of_actions_reaches_halfway(task):
    """Start and goal are independent, so under any fixed sequence the point's place tells nothing of the goal: a
    payment is worth at most that of the best fixed place, the expectation over goals being computed on a fine grid."""
    goals = (np.arange(200) + 0.5) / 100 - 1
    best = max(
        np.maximum(0, 1 - np.hypot(x - goals[:, None], y - goals)).mean()
        for x in np.linspace(-1, 1, 11)
        for y in np.linspace(-1, 1, 11)
    )
    assert way(task, best * (toys.REACH_STEPS / toys.PAY_EVERY)) < 0.5


def test_no_sequence_of_actions_leaves_the_maze_by_the_right_door():
    """Where a fixed sequence ends depends on the start alone, and start and goal are independent: whichever door it
    takes is the goal in one case of four. Checked on two hundred sequences."""
    generator = np.random.default_rng(0)
    bound = 1 / len(toys.DOORS)
    assert way("toy/maze", bound) < 0.5
    env = Maze()
    for sequence in generator.integers(4, size=(200, toys.MAZE_STEPS)):
        start = toys.STARTS[generator.integers(len(toys.STARTS))]
        paid = []
        for goal in range(len(toys.DOORS)):
            env.reset(seed=0)
            env._at, env._goal = start, goal
            paid.append(0.0)
            for action in sequence:
                _, reward, terminated, _, _ = env.step(action)
                paid[-1] += reward
                if terminated:
                    break
        assert np.mean(paid) <= bound


def test_the_pictures_after_the_first_do_not_tell_the_cue():
    """So a memoryless policy (and any fixed sequence) moves alike under all three cues, and the place it ends in is
    right for one of them: a third of the episodes is its best."""
    generator = np.random.default_rng(0)
    env = PixelCatch()
    for _ in range(20):
        actions = generator.integers(3, size=toys.CATCH_STEPS)
        place = int(generator.integers(9))
        seen, paid = [], []
        for cue in range(3):
            env.reset(seed=0)
            env._cue, env._place = cue, place
            steps = [env.step(action) for action in actions]
            seen.append(np.stack([step[0]["image"] for step in steps]))
            paid.append(sum(step[1] for step in steps))
        assert np.array_equal(seen[0], seen[1]) and np.array_equal(seen[0], seen[2])
        assert sum(paid) == 1
    assert way("toy/pixel-catch", 1 / 3) < 0.5


def test_the_first_action_of_the_catch_leaves_no_trace():
    """Else the paddle's place could carry the cue on for a policy without memory."""
    env = PixelCatch()
    after = []
    for action in range(3):
        env.reset(seed=4)
        after.append(env.step(action)[0]["image"])
    assert np.array_equal(after[0], after[1]) and np.array_equal(after[0], after[2])


def test_the_first_picture_of_the_catch_tells_the_cue_and_nothing_else():
    env = PixelCatch()
    pictures = {}
    for seed in range(30):
        image = env.reset(seed=seed)[0]["image"]
        pictures.setdefault(env._cue, set()).add(image.tobytes())
    assert sorted(map(len, pictures.values())) == [1, 1, 1]
    assert all(a != b for a, b in pairwise(sorted(min(p) for p in pictures.values())))


def test_every_door_can_be_reached_in_time_from_every_start():
    env = Maze()
    for start in toys.STARTS:
        for goal in range(len(toys.DOORS)):
            env.reset(seed=0)
            env._at, env._goal = start, goal
            reward, steps, over = 0.0, 0, False
            while not over:
                _, reward, terminated, truncated, _ = env.step(walk(env))
                steps, over = steps + 1, terminated or truncated
            assert reward == 1 and steps <= toys.MAZE_STEPS // 2


def test_both_kinds_of_end_occur():
    assert all(flags == (False, True) for flags in _ends("toy/reach", 3))
    assert {(True, False), (False, True)} <= set(_ends("toy/maze", 300))
    assert set(_ends("toy/pixel-catch", 5)) == {(True, False)}


def _ends(task, episodes):
    env, policy = ENVS[task](), uniform(task)
    for seed in range(episodes):
        env.reset(seed=seed)
        flags = (False, False)
        while not any(flags):
            flags = env.step(policy(env))[2:4]
        yield flags


def test_the_picture_shows_what_the_vector_tells():
    """Point and goal, read back from the picture, lie where the simulation has them."""
    env = PixelReach()
    for seed in range(20):
        image = env.reset(seed=seed)[0]["image"].astype(int)
        for channel, x, y in ((0, env._x, env._y), (1, env._goal_x, env._goal_y)):
            rows, columns = np.nonzero(image[..., channel])
            assert len(rows) == 16 * 16
            assert abs(columns.mean() + 0.5 - (32 + 24 * x)) < 1
            assert abs(rows.mean() + 0.5 - (28 - 20 * y)) < 1


def test_every_picture_of_the_catch_shows_balls_and_paddle_where_they_are():
    env = PixelCatch()
    env.reset(seed=0)
    for _ in range(CATCH_STEPS):
        image = env.step(2)[0]["image"].astype(int)
        paddle = (image == 255).all(-1)
        rows, columns = np.nonzero(paddle)
        assert paddle.sum() == 10 * 7
        assert (rows.min(), columns.min()) == (54, 7 * env._place)
        for ball in range(3):
            third = image[:54, 21 * ball : 21 * ball + 21]
            assert third.any(-1).sum() == 16 * 16
            assert (third.argmax(-1)[third.any(-1)] == ball).all()
