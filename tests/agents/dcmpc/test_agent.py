"""What is stored, sampled, owed and acted: alignment, counts, noise, plans, and requests that are refused."""

import numpy as np
import pytest
import torch

from bench.agents import conformance, registry
from bench.agents.api import Diverged, Step
from bench.agents.common.hostsync import no_host_sync
from bench.agents.common.planner import search
from bench.agents.counter import LENGTHS
from bench.agents.dcmpc import spec as entry
from bench.agents.dcmpc.agent import DCMPC, DCMPCPolicy
from bench.agents.dcmpc.config import DCMPCConfig
from bench.agents.dcmpc.tasks import TUNED
from bench.agents.dcmpc.variants import VARIANTS
from bench.benchmarks import plan, suites
from bench.benchmarks.errors import RequestError
from bench.tests.agents.dcmpc.subjects import IMAGE, SMALLEST, VECTOR, built, config, control, generator, noise, played


def test_the_contract_is_kept(tmp_path):
    """At the smallest sizes, so that updates and plans are part of it."""
    file = tmp_path / "smallest.yaml"
    smallest = {**SMALLEST, "batch": 2, "horizon": 2, "members": 2, "iterations": 1, "steps_per_update": 32}
    file.write_text("\n".join(f"{name}: {value}" for name, value in smallest.items()))
    results = list(conformance.run(f"dcmpc:{file}", ["counter/vector-box"]))
    assert not [f"{result.name}: {result.reason}" for result in results if not result.ok]
    assert len(results) == 1 + len(conformance.CHECKS)


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "parity"])
def test_every_variant_trains_and_plans(variant):
    agent = played(steps=40, horizon=2, **VARIANTS[variant])
    assert agent.updates > 0
    assert agent.metrics()


# What a batch holds: the counter's observation shows (episode, place), its reward tells the action and the place


def shown(observation: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    episode, place = torch.round(observation["vector"][..., :2] * 16).long().unbind(-1)
    return episode, place


def paid(action: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    return action.mean(-1) + (place % 3 == 0)


def test_slices_hold_what_happened():
    slices = played(steps=60, batch=300, horizon=3, steps_per_update=1000).slices()
    episode, place = shown(slices.observation)
    for t in range(3):
        assert torch.equal(place[t + 1], place[t] + 1)
        assert torch.equal(episode[t + 1], episode[t])
        assert torch.allclose(slices.reward[t], paid(slices.action[t], place[t]), atol=1e-6)
    seen = set(zip(episode[0].tolist(), place[0].tolist(), strict=True))
    assert seen == {(e, p) for e in range(7) for p in range(LENGTHS[e % 3] - 2)}  # 56 decisions, all finished


@pytest.mark.parametrize("steps", [1, 3])
def test_transitions_hold_the_rewards_of_n_steps_up_to_the_end_of_an_episode(steps):
    """K decisions, fewer where the episode ends before; a termination leaves nothing behind it, a time limit does."""
    agent = played(steps=58, batch=800, n_step=steps, steps_per_update=1000, discount=0.5)
    rows = agent.transitions()
    (episode, place), (later_episode, later_place) = shown(rows.observation), shown(rows.later)
    lengths = torch.tensor(LENGTHS)[episode % 3]
    valid = rows.valid
    assert torch.equal(valid, place < lengths)
    taken = torch.minimum(torch.tensor(steps), lengths - place)[valid]
    assert torch.equal(later_episode, episode)
    assert torch.equal((later_place - place)[valid], taken)
    over = ((place + steps >= lengths) & (episode % 2 == 0))[valid]
    assert torch.allclose(rows.discount[valid], torch.where(over, 0.0, 0.5**taken), atol=1e-6)
    window = agent.replay.gather(agent.replay.starts(1), 1)
    done = {
        (int(e), int(round(16 * v[1]))): float(r)
        for e, v, r in zip(window.episode[:, 0], window.observation["vector"][:, 0], window.reward[:, 0], strict=True)
    }
    decided = (x[valid].tolist() for x in (episode, place))
    for e, p, k, reward in zip(*decided, taken.tolist(), rows.reward[valid], strict=True):
        assert float(reward) == pytest.approx(sum(0.5**j * done[e, p + j] for j in range(k)), abs=1e-5)
    assert (later_place == lengths)[valid].any()
    assert over.any() and not over.all()


@pytest.mark.parametrize(("steps", "discounted", "factor"), [(1, True, 0.99), (1, False, 1.0), (2, False, 0.99**2)])
def test_only_parity_at_one_step_forgets_the_discount(steps, discounted, factor):
    agent = played(steps=40, n_step=steps, one_step_discounted=discounted, steps_per_update=1000, batch=64)
    rows = agent.transitions()
    assert float(rows.discount[rows.valid & (rows.discount > 0)].min()) == pytest.approx(factor, rel=1e-5)


def test_three_steps_of_reward_1_are_worth_this():
    agent = DCMPC(config(control(), **{**SMALLEST, "n_step": 3, "batch": 50}), control(), 0, "cpu")
    for number in range(20):
        observed(agent, number, 1, 500, reward=1.0)
    rows = agent.transitions()
    assert torch.allclose(rows.reward, torch.tensor(1 + 0.99 + 0.99**2))
    assert torch.allclose(rows.discount, torch.tensor(0.99**3))


# What is owed


def observed(agent: DCMPC, number: int, envs: int, steps: int, reward: float = 0.0) -> None:
    """Decision `number` of each environment, in episodes of `steps`."""
    seen = {"state": np.zeros((envs, 24), np.float32)}
    first, ends = (np.full(envs, number % steps == place) for place in (0, steps - 1))
    rewards, never = np.full(envs, reward, np.float32), np.zeros(envs, bool)
    agent.observe(Step(seen, np.zeros((envs, 6), np.float32), rewards, seen, first, never, ends, np.arange(envs), None))


@pytest.mark.parametrize(("envs", "ratio"), [(1, 1), (1, 4), (2, 1)])
def test_updates_are_owed_in_bursts_as_the_authors_loop_does_them(envs, ratio, monkeypatch):
    """Ten random episodes owe an update for each of their decisions, every later episode for its own."""
    sizes = {**SMALLEST, "random_episodes": 10, "batch": 1, "steps_per_update": ratio, "noise_episodes": 50}
    agent = DCMPC(config(control(), **{**sizes, "collection.envs": envs}), control(), 0, "cpu")
    monkeypatch.setattr(agent.updater, "update", lambda *_: torch.zeros(len(agent.updater.metrics)))
    done, deviation = {}, {}
    for number in range(12 * 40 // envs):
        observed(agent, number, envs, 40)
        while agent.learn():
            pass
        done[(number + 1) * envs], deviation[(number + 1) * envs] = agent.updates, agent.noise
    assert done[399 // envs * envs] == 0
    assert [done[400], done[440 - envs], done[480]] == [400 // ratio, 400 // ratio, 480 // ratio]
    assert deviation[400 - envs] == 1.0
    assert deviation[400] == pytest.approx(1 - 0.9 / 50)  # advanced once per burst
    assert deviation[480] == pytest.approx(1 - 0.9 * 3 / 50)


def test_the_noise_ends_where_it_should():
    agent = built(random_episodes=10, noise_episodes=50)
    for episodes, deviation in ((0, 1.0), (9, 1.0), (34, 0.55), (59, 0.1), (1000, 0.1)):
        agent.episodes = episodes
        assert agent.noise == pytest.approx(deviation)


# What is done


def test_the_first_episodes_are_uniform_and_later_ones_are_planned():
    agent = DCMPC(config(control(), **SMALLEST), control(), 0, "cpu")
    policy, seen, first = agent.policy(1, 0, "explore"), {"state": np.zeros((1, 24), np.float32)}, np.zeros(1, bool)
    actions = np.concatenate([policy.act(seen, first)[0] for _ in range(300)])
    assert (abs(actions.mean(0)) < 0.15).all()
    assert actions.std() == pytest.approx(1 / np.sqrt(3), abs=0.03)
    assert isinstance(policy, DCMPCPolicy)
    for episodes, planned in ((1, False), (2, True)):
        agent.episodes = episodes
        policy.act(seen, first)
        assert bool(policy.mean.any()) is planned


def test_the_warm_start_is_the_last_plan_and_a_first_row_forgets_it(monkeypatch):
    agent = built()
    policy, warm = agent.policy(2, 0, "evaluate"), []
    monkeypatch.setattr(
        "bench.agents.dcmpc.agent.search", lambda r, mean, p, s, g: warm.append(mean) or search(r, mean, p, s, g)
    )
    observation = {"vector": np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)}
    policy.act(observation, np.array([True, True]))
    assert not warm[0].any()
    last = policy.mean
    policy.act(observation, np.array([False, True]))
    assert torch.equal(warm[1][0], torch.cat([last[0, 1:], torch.zeros(1, 2)]))
    assert not warm[1][1].any()


def test_exploring_adds_the_schedules_noise_and_evaluating_does_not(monkeypatch):
    agent = built(noise_start=0.2, noise_end=0.2, random_episodes=0)
    found = search(lambda c: -c.square().sum((1, 3)), torch.zeros(400, 3, 2), torch.zeros(400, 3, 2, 2), agent.search,
                   generator())  # fmt: skip
    monkeypatch.setattr(agent, "plan", lambda *_: found)
    observation, first = {"vector": np.zeros((400, 4), np.float32)}, np.ones(400, bool)
    evaluated, explored = (
        agent.policy(400, 0, mode).act(observation, first)[0] - found.action.numpy() for mode in ("evaluate", "explore")
    )
    assert not evaluated.any()
    inside = (abs(explored + found.action.numpy()) < 1).all(1)
    assert explored[inside].std() == pytest.approx(0.2, abs=0.03)


def test_react_is_the_actor():
    agent = built()
    seen = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    action, _ = agent.policy(3, 0, "react").act({"vector": seen}, np.ones(3, bool))
    with torch.no_grad():
        expected = torch.tanh(agent.networks.actor(agent.networks.encode({"vector": torch.from_numpy(seen)})))
    assert np.allclose(action, expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("shared", [False, True])
def test_the_actors_noise_is_each_candidates_own_or_in_parity_the_same(shared):
    agent = built(shared_noise=shared)
    code = torch.zeros(2 * 50, 16)
    with torch.no_grad():
        action = agent.noisy(code, 2, 0.1, generator()).unflatten(0, (2, 50))
        mean = torch.tanh(agent.networks.actor(code[:1]))
        still = agent.noisy(code, 2, 0.0, generator())
    close = torch.isclose(action, action[:, :1], atol=1e-6)  # products of a batch may differ in their last bits
    assert bool(close.all()) is shared
    assert not torch.equal(action[0], action[1])
    assert torch.allclose(still, mean, atol=1e-6)


@pytest.mark.parametrize("planning", ["expected", "sample"])
def test_the_return_of_a_plan_is_this_sum(planning):
    """Discounted rewards along expected codes, then the mean of two critics at the actor's noisy action."""
    agent = built(plan_horizon=3, plan_discount=0.7, planning=planning)
    net = agent.networks
    z0, actions = torch.rand(5, 16, generator=generator()), torch.rand(3, 5, 2, generator=generator(1))
    with torch.no_grad():
        found = agent.returns(z0, actions, 1, 0.3, generator(7))
        chance = generator(7)
        z, expected = z0, torch.zeros(5)
        for t in range(3):
            both = torch.cat([z, actions[t]], -1)
            expected += 0.7**t * net.rewards(both)
            z = net.latents.after(net.dynamics(both), planning, chance)
        action = (torch.tanh(net.actor(z)) + 0.3 * torch.randn(1, 5, 2, generator=chance)[0]).clamp(-1, 1)
        values = net.critics(torch.cat([z, action], -1))[..., 0]
        expected += 0.7**3 * values[net.critics.two(chance)].mean(0)
    assert torch.allclose(found, expected, atol=1e-5)


def test_plan_and_dream_never_wait_for_the_device():
    agent, seen = built(), {"vector": torch.randn(3, 4)}
    action = torch.zeros(3, 4, 2)
    with no_host_sync():
        agent.plan(seen, torch.zeros(3, 3, 2), 0.3, agent.generator)
        agent.react(seen)
        state = agent.world_model.encode({"vector": seen["vector"][:, None]}, action[:, :0], torch.ones(3, 1))
        agent.world_model.imagine(state, action, agent.generator)


def test_the_dream_is_the_models():
    agent = built()
    net, action = agent.networks, torch.rand(2, 3, 2, generator=generator())
    code = net.latents.fsq.code(torch.randint(15, (2, 8), generator=generator())).flatten(1)
    model = agent.world_model
    expected, drawn = (model.imagine({"z": code}, action, generator(1), sample=sample) for sample in (False, True))
    with torch.no_grad():
        z = code
        for t in range(3):
            both = torch.cat([z, action[:, t]], -1)
            assert torch.allclose(expected.reward[:, t], net.rewards(both), atol=1e-6)
            z = net.latents.after(net.dynamics(both), "expected", generator())
            assert torch.allclose(expected.feature[:, t], z, atol=1e-6)
    places = drawn.feature * torch.tensor([2.0, 1.0]).repeat_interleave(8)
    assert torch.equal(places, places.round())
    assert model.predicts.stochastic is True
    assert built(consistency="mse").world_model.predicts.stochastic is False


def test_a_loss_that_is_no_number_is_a_divergence():
    agent = played(steps=40, batch=4)
    assert agent.metrics()
    slices, transitions = noise(agent)
    broken = slices._replace(reward=slices.reward * torch.nan)
    for _ in range(2):  # in the second one the codes are no numbers either
        agent.sums += agent.updater.update(broken, transitions, agent.generator)
        agent.summed += 1
    with pytest.raises(Diverged, match="reward_loss"):
        agent.metrics()


# Settings


def test_the_authors_settings_per_task():
    """All 28 control tasks are tuned; a scale's sizes come after, a variant's fields last."""
    assert {task.removeprefix("dmc-state/") for task in suites.get("dmc").tasks} == set(TUNED)
    for name, slots, steps, episodes in (
        ("walker_walk", 512, 1, 50), ("dog_run", 1024, 3, 500), ("humanoid_walk", 1024, 1, 500),
        ("reacher_hard", 512, 3, 150), ("finger_turn_easy", 512, 2, 150), ("ball_in_cup_catch", 512, 1, 50),
    ):  # fmt: skip
        found = config(control(f"dmc-state/{name}"), "paper")
        assert (found.slots, found.n_step, found.noise_episodes) == (slots, steps, episodes)
        assert found.reward_bound == 2.0
    assert config(control(), "paper") == DCMPCConfig()
    dog = control("dmc-state/dog_run")
    assert config(dog, "tiny").slots == config(control(), "tiny").slots
    assert config(dog, "tiny").n_step == 3
    assert config(dog, "paper", n_step=1).n_step == 1


ENDS = control(terminates=True)
REFUSED = {
    "images": (IMAGE, {}, ["images", "tdmpc2"]),
    "a channel of one level": (control(), {"levels": [5, 1]}, ["[5, 1]", "2 levels"]),
    "no channel": (control(), {"levels": []}, ["[]", "2 levels"]),
    "a target without the discount where episodes end": (ENDS, VARIANTS["parity"], ["one_step_discounted", "n_step=1"]),
    "a target of no reward": (control(), {"n_step": 0}, ["n_step=0"]),
    "no slots": (control(), {"slots": 0}, ["slots=0"]),
    "a cross-entropy without codes": (control(), {"bottleneck": "simnorm"}, ["'simnorm'", "'mse'"]),
    "a latent SimNorm does not divide": (control(), {**VARIANTS["simnorm"], "slots": 10}, ["20", "group=8"]),
    "a bottleneck nobody knows": (control(), {"bottleneck": "vq"}, ["'vq'", "'fsq'", "'none'"]),
    "a horizon beyond the episode": (VECTOR, {"horizon": 13}, ["13", "12 decisions"]),
    "more elites than samples": (control(), {"samples": 8, "elites": 9}, ["samples=8", "elites=9"]),
    "a single critic": (control(), {"members": 1}, ["members=1"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_it_cannot_do_is_refused_with_the_reason(case):
    task, diff, words = REFUSED[case]
    said = entry.supports(task, config(task, **diff))
    assert said is not None and all(word in said for word in words), said


def test_with_more_steps_parity_is_fine_where_episodes_end():
    assert entry.supports(ENDS, config(ENDS, **{**VARIANTS["parity"], "n_step": 3})) is None


@pytest.mark.parametrize(
    ("task", "sets", "words"),
    [
        ("toy/maze", [], ["toy/maze", "discrete"]),
        ("toy/pixel-reach", [], ["toy/pixel-reach", "images"]),
        ("toy/reach", ["dcmpc.levels=[5,1]"], ["levels=[5, 1]"]),
        ("toy/reach", ["dcmpc.horizon=51"], ["51", "50 decisions"]),
    ],
)
def test_the_command_says_so_before_it_starts(task, sets, words, tmp_path):
    with pytest.raises(RequestError) as refused:
        plan.make(plan.Request("dcmpc", tasks=task, seeds="1", scale="tiny", frames="1000", sets=sets, root=tmp_path))
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize("scale", ["paper", "small", "tiny"])
@pytest.mark.parametrize("variant", ["", "simnorm"])
@pytest.mark.parametrize("task", [control(), VECTOR], ids=["control", "vector"])
def test_every_scale_is_supported_and_has_its_costs(scale, variant, task):
    spec, _, diff = registry.parse(f"dcmpc:{variant}".rstrip(":"))
    resolved = config(task, scale, **diff)
    assert spec.supports(task, resolved) is None
    assert entry.cost(task, resolved).flops > 0
