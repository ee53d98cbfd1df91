"""Five stages in the ordinary loop: who plays which episode, what each stage learns from, what is refused."""

import warnings

import numpy as np
import pytest
import torch
from gymnasium import spaces

from bench.agents import conformance
from bench.agents.api import Task
from bench.agents.common.hostsync import no_host_sync
from bench.agents.counter import LENGTHS
from bench.agents.world_models import spec as entry
from bench.agents.world_models.agent import WorldModels, _fitness
from bench.agents.world_models.media import curve
from bench.agents.world_models.training import unit
from bench.benchmarks import plan
from bench.benchmarks.collector import Collector
from bench.benchmarks.errors import RequestError
from bench.envs import registry as envs
from bench.envs.vector import VectorTask
from bench.tests.agents.world_models.subjects import (
    CHOICES,
    COVER,
    DREAM,
    IMAGE,
    RACING,
    SMALLEST,
    VECTOR,
    config,
    played,
    subject,
)

REACH = envs.task("toy/reach")


def collected(steps: int, count: int = 2, **diff):
    """An agent after vector steps on toy/reach under the runner's own collector, its rows, and each step's seats."""
    agent = WorldModels(
        config(REACH, **{**SMALLEST, "data_steps": 10, **diff, "collection.envs": count}), REACH, 3, "cpu"
    )
    policy, rows, seats, stages = agent.policy(count, 3, "explore"), [], [], []
    made = VectorTask([envs.make("toy/reach") for _ in range(count)])
    collector = Collector(made, agent, lambda *row: rows.append(row))
    collector.start()
    for _ in range(steps):
        action, extras = policy.act(*collector.current())
        seats.append(extras["seat"])
        stages.append(agent.stage)
        collector.cut(agent.observe(collector.step(action, extras)))
        while agent.learn():
            pass
    return agent, rows, np.array(seats), stages


@pytest.mark.parametrize("count", [2, 3])
def test_a_generation_is_every_candidate_on_the_same_tracks(count):
    agent, rows, seats, stages = collected(960 // count, count)
    assert agent.evolution.generation >= 2 and stages[0] == "data" and stages[-1] == "C"
    data = [row for row in rows if row[3] == 10 and row[4] == "cut"]
    assert len(data) >= SMALLEST["data_episodes"]
    whole = [row for row in rows if row[3] == 50]
    size = SMALLEST["population"] * SMALLEST["rollouts"]
    played = -(-size // count) * count  # with three environments the ninth episode is the mean's, and not rated
    generations = [whole[k : k + size] for k in range(0, len(whole) - size + 1, played)]
    tracks = []
    for generation in generations[:2]:
        by_seed = {}
        for _, seed, total, _, _ in generation:
            by_seed.setdefault(seed, []).append(total)
        assert sorted(map(len, by_seed.values())) == [SMALLEST["population"]] * SMALLEST["rollouts"]
        assert len({total for totals in by_seed.values() for total in totals}) > SMALLEST["rollouts"]
        tracks.append(set(by_seed))
    assert not tracks[0] & tracks[1]
    assert set(seats[np.array(stages) == "C"].flatten()) == set(range(-1 if count == 3 else 0, size))


def test_fitness_is_the_mean_return_of_whole_episodes():
    agent, rows, _, _ = collected(480, 1)
    size = SMALLEST["population"] * SMALLEST["rollouts"]
    whole = [total for _, _, total, length, _ in rows if length == 50]
    means = np.array(whole[:size]).reshape(SMALLEST["population"], SMALLEST["rollouts"]).mean(1)
    np.testing.assert_allclose(agent.evolution.history[0], means, atol=1e-5)


def test_patience_ends_rated_episodes_and_no_others():
    """Rewards of the counter follow the action: an environment that always loses is cut soon."""
    made = subject(patience=1).play(40)
    agent = made.agent
    assert agent.stage == "C"
    step = made.counter.step(np.full((1, 2), -1, np.float32), {"seat": np.zeros(1, int)})
    made.counter.cut(step.terminated | step.truncated)
    lengths, losing = [], 0
    for _ in range(12):
        before = made.counter.at[0]
        step = made.counter.step(np.full((1, 2), -1, np.float32), {"seat": np.zeros(1, int)})
        losing = 0 if step.first[0] and step.reward[0] >= 0 else losing + 1 if step.reward[0] < 0 else 0
        mask = agent.observe(step)
        if mask is not None and mask[0] and not (step.terminated | step.truncated)[0]:
            lengths.append(before + 1)
        made.counter.cut(mask)
    assert 3 in lengths  # the third decision is the second losing one in a row


def test_a_lost_episode_does_not_hold_a_generation_up():
    returns = np.array([[1.0, 3.0], [np.nan, 5.0], [np.nan, np.nan]])
    assert _fitness(returns).tolist() == [2, 5, 3]


def test_the_data_of_a_budget_that_ends_early_still_train_v_and_m():
    made = subject().play(2)
    agent = made.agent
    assert agent.stage == "data"
    agent.finish()
    while agent.learn():
        pass
    assert agent.stage == "C" and agent.m_training.updates == SMALLEST["m_updates"]


def test_v_sees_every_frame_once_per_epoch_and_m_reads_episodes_in_order():
    agent = played(60, v_epochs=2, m_updates=12)
    rows, training = agent.rows, agent.v_training
    seen = []
    for number in range(training.total(rows)):
        training.updates = number
        seen.append(training.rows(rows))
    half = len(seen) // 2
    for epoch in (np.concatenate(seen[:half]), np.concatenate(seen[half:])):
        assert len(set(epoch)) == len(epoch) >= len(rows) - 7 and set(epoch) <= set(rows)
    assert not np.array_equal(seen[0], seen[half])
    follows = {(a, b) for episode in agent.episodes for a, b in zip(episode, episode[1:], strict=False)}
    chunks = []
    for number in range(6):
        agent.m_training.updates = number
        chunk, begins = agent.m_training.chunk(agent.episodes)
        chunks.append(begins)
        first = agent.replay["first"][chunk]
        for stream, starts in zip(chunk.T, first.T, strict=True):
            assert all(s or (a, b) in follows for a, b, s in zip(stream, stream[1:], starts[1:], strict=False))
    assert chunks[0] and not all(chunks)


def test_m_learns_neither_across_episodes_nor_from_time_limits():
    agent = played(20, sizes=DREAM)
    net, rows = agent.m_training, (4, 1)
    h, z, flags = torch.zeros(*rows, 6), torch.zeros(*rows, 4), torch.zeros(rows, dtype=torch.bool)
    plain = net.losses(h, z, ~flags, torch.zeros(rows), flags)
    away = z.clone()
    away[2] = 1e3
    skipped = torch.ones(rows, dtype=torch.bool)
    skipped[2] = False
    torch.testing.assert_close(net.losses(h, away, skipped, torch.zeros(rows), flags)[0], plain[0])
    assert net.losses(h, away, ~flags, torch.zeros(rows), flags)[0] > plain[0]
    died = flags.clone()
    died[1] = True
    logit = net.net.predict(h).end[0, 0]
    expected = (3 * torch.nn.functional.softplus(logit) + 10 * torch.nn.functional.softplus(-logit)) / 4
    torch.testing.assert_close(net.losses(h, z, ~flags, torch.zeros(rows), died)[1], expected)


def test_what_a_reward_heads_outputs_count_in():
    assert unit("tiles", np.array([-0.1, 3.3, -0.1, 3.1, 6.5], np.float32)) == pytest.approx(3.4)
    assert unit("tiles", np.array([-0.1, -100], np.float32)) == 1
    assert unit("linear", np.array([1, 3], np.float32)) == 1
    assert unit("linear", np.zeros(3, np.float32)) == 1e-3


def test_a_dreamt_generation_goes_by_pieces_and_the_method_ends():
    made = subject(sizes={**DREAM, "horizon": 120, "generations": 2, "gap_rollouts": 0})
    agent = made.agent
    made.play(30)
    agent.load_state_dict(agent.state_dict())
    while agent.learn():
        pass
    assert agent.done() and agent.evolution.generation == 2 and agent.progress() == ("gap", None)


def test_the_untrained_m_stays_as_it_was_drawn():
    whole, untrained = played(30), played(30, m_updates=0)
    fresh = subject().agent.m.state_dict()
    assert untrained.stage == "C"
    assert all(torch.equal(value, fresh[name]) for name, value in untrained.m.state_dict().items())
    assert not torch.equal(whole.m.kernel, fresh["kernel"])


def test_media_show_v_m_and_the_fitness():
    agent = played(60, IMAGE, {**SMALLEST, "m_length": 7, "v_batch": 32})
    films = agent.media()
    assert films["reconstruction"].shape[1:3] == (128, 64 * (films["reconstruction"].shape[2] // 64))
    assert films["reconstruction"].shape == films["dream"].shape
    seen = agent.replay.observation(agent.episodes[0][:1])["image"][0]
    assert np.array_equal(films["dream"][0, :64, :64], seen) and np.array_equal(films["dream"][0, 64:, :64], seen)
    assert not np.array_equal(films["dream"][6, :64], films["dream"][6, 64:])
    film = curve([np.array([0.0, 2.0]), np.array([1.0, 5.0])])
    assert film.shape == (2, 128, 256, 3)
    white = (film[1] == 255).all(-1)
    assert white[0, -1] and white.any(0).all() and not film[0, :, -1].any()


@pytest.mark.parametrize("task", [VECTOR, IMAGE], ids=lambda task: task.id)
def test_acting_and_dreaming_never_wait_for_the_device(task):
    """Episodes are seated on the host; what V, M and C compute stays where it is."""
    agent = WorldModels(config(task, **DREAM), task, 3, "cpu")
    policy = agent.policy(2, 0, "evaluate")
    space, chance = task.observation.spaces, torch.Generator().manual_seed(0)
    seen = {key: torch.zeros(2, 3, *one.shape, dtype=torch.as_tensor(one.low).dtype) for key, one in space.items()}
    flat, first = agent.controllers(np.full(2, -1)), torch.zeros(2, 3, dtype=torch.bool)
    action = torch.zeros(2, 4, 2)
    with torch.inference_mode(), no_host_sync():
        policy._decide({key: value[:, 0] for key, value in seen.items()}, first[:, 0], flat)
        model = agent.world_model
        dream = model.imagine(model.encode(seen, action[:, :2], first), action, chance)
    assert dream.feature.isfinite().all()


def test_dreaming_further_than_trained_is_said_once():
    agent = played(20)
    model = agent.world_model
    first = torch.ones(1, 1, dtype=torch.bool)
    state = model.encode({"vector": torch.zeros(1, 1, 4)}, torch.zeros(1, 0, 2), first)
    action, chance = torch.zeros(1, 6, 2), torch.Generator().manual_seed(0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.imagine(state, action[:, :5], chance)
        assert not said
        for _ in range(2):
            model.imagine(state, action, chance)
    assert len(said) == 1 and "6 decisions ahead; M was trained on 5" in str(said[0].message)


@pytest.mark.parametrize(
    ("task", "sizes"),
    [("counter/vector-box", DREAM), pytest.param("counter/image-discrete", SMALLEST, marks=pytest.mark.slow)],
)
def test_world_models_keeps_the_contract(task, sizes, tmp_path):
    variant = tmp_path / "early.yaml"
    variant.write_text("".join(f"{name}: {value}\n" for name, value in sizes.items()))
    results = list(conformance.run(f"world_models:{variant}", [task]))
    assert not [f"{result.name}: {result.reason}" for result in results if not result.ok]
    assert len(results) == 1 + len(conformance.CHECKS)


def shown(action: spaces.Space = VECTOR.action, **keys: spaces.Space) -> Task:
    return Task("any", spaces.Dict(keys), action, 1, 12, True)


SMALL = spaces.Box(0, 255, (32, 32, 3), np.uint8)
REFUSED = {
    "choices for a car": (CHOICES, entry.VARIANTS["carracing_real"], ["three numbers", "Discrete(5)"]),
    "a car for the corridor": (RACING, entry.VARIANTS["takecover_dream"], ["takecover_dream", "carracing/v3"]),
    "two numbers for a car": (VECTOR, {"actions": "racing"}, ["three numbers", "counter/vector-box"]),
    "choices for a box": (CHOICES, {"actions": "box"}, ["box", "'argmax'"]),
    "a box for choices": (VECTOR, {"actions": "argmax"}, ["choices", "'box'"]),
    "an image V cannot take": (shown(image=SMALL), {}, ["64x64", "(32, 32, 3)"]),
    "an image and vectors": (shown(image=IMAGE.observation["image"], v=VECTOR.observation["vector"]), {}, ["both"]),
    "nothing to see": (shown(), {}, ["no observation"]),
    "a number that is none": (shown(where=spaces.Discrete(4)), {}, ["'where'", "Discrete(4)"]),
    "too few candidates": (VECTOR, {"population": 3}, ["population=3", "4 candidates"]),
    "no frames": (VECTOR, {"data_episodes": 0}, ["data_episodes", "at least 1"]),
    "no temperature": (VECTOR, {"temperature": 0.0}, ["temperature above 0"]),
    "a word nobody knows": (VECTOR, {"covariance": "diagonal"}, ["'diagonal'", "'separable', 'full'"]),
    "dreams nobody rates": (VECTOR, {"reward": "none"}, ["reward='alive'"]),
    "dreams that never end": (VECTOR, {"reward": "alive", "end": False}, ["end=true"]),
    "tiles without a field": (VECTOR, {"reward": "tiles", "end": False}, ["end=true"]),
    "one choice for ever": (CHOICES, {"exploration": "cauchy"}, ["'hold'"]),
    "negative patience": (VECTOR, {"patience": -1}, ["patience"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_it_cannot_do_is_refused_with_the_reason(case):
    task, diff, words = REFUSED[case]
    said = entry.supports(task, config(task, **diff))
    assert said is not None and all(word in said for word in words), said


def test_the_command_says_so_before_it_starts(tmp_path):
    with pytest.raises(RequestError, match="population=3"):
        sets = ["world_models.population=3"]
        request = plan.Request(
            "world_models", tasks="toy/reach", seeds="1", scale="tiny", frames="1000", sets=sets, root=tmp_path
        )
        plan.make(request)


@pytest.mark.parametrize("scale", ["paper", "small", "tiny"])
@pytest.mark.parametrize("task", [RACING, COVER, VECTOR, CHOICES, IMAGE], ids=lambda task: task.id)
def test_every_scale_is_supported_and_has_its_costs(scale, task):
    resolved = config(task, scale)
    assert entry.supports(task, resolved) is None
    assert entry.cost(task, resolved).flops > 0


def test_variants_are_what_the_readme_says():
    assert config(RACING, "paper", **entry.VARIANTS["carracing_real"]) == config(RACING, "paper")
    assert config(COVER, "paper", **entry.VARIANTS["takecover_dream"]) == config(COVER, "paper")
    dream = config(RACING, "paper", **entry.VARIANTS["carracing_dream"])
    assert (dream.fitness, dream.reward, dream.end) == ("dream", "tiles", True)
    assert max(LENGTHS) == VECTOR.episode_steps
