"""Ten kills per run: of learners on a toy, on a control task and on an Atari game."""

from __future__ import annotations

import signal

import pytest

from bench.envs import carracing_pool
from bench.results.schema import Budget

# Three inside the write of a checkpoint, two between observe and learn; passes count from each start.
KILLS = (
    "checkpoint.done:1", "checkpoint.file:1", "loop.observed:150", "checkpoint.manifest:1", "events.half_line:1",
    "checkpoint.rename:1", "loop.observed:170", "checkpoint.file:6", "loop.acted:160", "events.flushed:1",
)  # fmt: skip
_FEW = tuple(f"dreamer.{name}" for name in ("batch=4", "length=8", "starts=0", "train_ratio=2"))  # one per 16 steps
_BURST = ("tdmpc2.seed_steps=500", "tdmpc2.seed_episodes=1")  # half of the 1,000 decisions
_SOON = ("dcmpc.random_episodes=1",)  # half of the 1,000 decisions
_EARLY = tuple(
    f"simulus.{name}"
    for name in (
        "model_after=0",
        "controller_after=1",
        "epoch_steps=40",
        "controller_batch=4",
        "model_batch=4",
        "model_updates=10",
        "controller_updates=10",
    )
)
_SEEING = (*_EARLY, "simulus.tokenizer_after=0", "simulus.tokenizer_updates=4", "simulus.epoch_steps=100")
_SHORT = ("batch=4", "length=8")
_V1 = tuple(f"dreamer_v1.{name}" for name in (*_SHORT, "prefill=200", "pretrain=10", "train_every=60", "train_steps=2"))
_INFONCE = tuple(setting.replace("dreamer_v1", "contrastive_dreamer") for setting in _V1)
_V2 = tuple(f"dreamer_v2.{name}" for name in (*_SHORT, "prefill=200", "pretrain=10", "train_every=30"))
_PLANS = ("train_steps=20", "candidates=10", "elites=3", "imagination=4", "iterations=4")  # on reach they are larger
_CEM = tuple(f"planet.{name}" for name in (*_SHORT, "random_episodes=1", *_PLANS))
# Of 1,000 decisions 150 are data; V, codes and M take 19 + 4 + 40 units
_MODELS = tuple(
    f"world_models.{name}"
    for name in ("data_episodes=3", "v_epochs=1", "v_batch=8", "m_updates=40", "population=4", "rollouts=1")
)
_STAGES = _MODELS + tuple(
    f"world_models.{name}" for name in ("fitness=real", "reward=none", "end=false", "collection.envs=1")
)
# 150 decisions of data; then 19 + 1 + 40 units and 9 of dreams; the first 1,000 decisions end among the gap, whose
# episodes are 2,400
_DREAMS = _MODELS + tuple(f"world_models.{name}" for name in ("generations=8", "gap_rollouts=12", "collection.envs=1"))
_ROAD = (*_STAGES, "world_models.data_steps=50", "world_models.patience=20")
_POOL = "world_models.collection.backend=envpool"
CASES = {
    "decqn-toy": ("decqn", "toy/reach", Budget(3_000, 1_000, 3, 4), 130, ()),
    "decqn-control": ("decqn", "dmc-state/cartpole_swingup", Budget(4_000, 2_000, 1, 1), 130, ()),
    "random-pong": ("random", "atari/pong", Budget(12_000, 8_000, 1, 1), 150, ()),
    "dreamer-toy": ("dreamer", "toy/reach", Budget(3_000, 1_000, 3, 4), 130, _FEW),
    "dreamer-control": ("dreamer", "dmc-state/cartpole_swingup", Budget(4_000, 2_000, 1, 1), 130, _FEW),
    "tdmpc2-toy": ("tdmpc2", "toy/reach", Budget(3_000, 1_000, 3, 4), 130, ()),
    "tdmpc2-control": ("tdmpc2", "dmc-state/cartpole_swingup", Budget(4_000, 2_000, 1, 1), 130, _BURST),
    "dcmpc-toy": ("dcmpc", "toy/reach", Budget(3_000, 1_000, 3, 4), 130, ()),
    "dcmpc-control": ("dcmpc", "dmc-state/cartpole_swingup", Budget(4_000, 2_000, 1, 1), 130, _SOON),
    "dreamer-pong": ("dreamer", "atari/pong", Budget(12_000, 8_000, 1, 1), 150, _FEW),
    "dreamer_v1-toy": ("dreamer_v1", "toy/reach", Budget(3_000, 1_000, 3, 4), 130, _V1),
    "dreamer_v1-control": ("dreamer_v1", "dmc-state/cartpole_swingup", Budget(4_000, 2_000, 1, 1), 130, _V1),
    "contrastive_dreamer-toy": ("contrastive_dreamer", "toy/reach", Budget(3_000, 1_000, 3, 4), 130, _INFONCE),
    "dreamer_v2-toy": ("dreamer_v2", "toy/maze", Budget(3_000, 1_000, 3, 4), 130, _V2),
    "dreamer_v2-pong": ("dreamer_v2", "atari/pong", Budget(12_000, 8_000, 1, 1), 150, _V2),
    "planet-toy": ("planet", "toy/reach", Budget(3_000, 1_000, 3, 4), 130, _CEM),
    "planet-control": ("planet", "dmc-state/cartpole_swingup", Budget(4_000, 2_000, 1, 1), 130, _CEM),
    "simulus-toy": ("simulus", "toy/reach", Budget(3_000, 1_000, 3, 4), 130, _EARLY),
    "simulus-pong": ("simulus", "atari/pong", Budget(4_000, 2_000, 1, 1), 150, _SEEING),
    "world_models-toy": ("world_models", "toy/reach", Budget(3_000, 1_000, 3, 4), 130, _STAGES),
    "world_models-dream": ("world_models", "toy/reach", Budget(3_000, 1_000, 3, 4), 130, _DREAMS),
    "world_models-road": ("world_models", "carracing/v3", Budget(2_000, 1_000, 1, 1), 130, _ROAD),
    "world_models-pool": ("world_models", "carracing/v3", Budget(2_000, 1_000, 1, 1), 130, (*_ROAD, _POOL)),
}
needs_pool = pytest.mark.skipif(
    carracing_pool.missing() is not None, reason=f"resume with EnvPool not checked: {carracing_pool.missing()}"
)
NAMES = [pytest.param(case, marks=needs_pool) if case.endswith("-pool") else case for case in CASES]


@pytest.mark.slow
@pytest.mark.parametrize("case", NAMES)
def test_ten_kills_give_the_events_of_an_undisturbed_run(plan_run, case):
    agent, task, budget, ticks, sets = CASES[case]
    reference = plan_run(agent, task, budget, sets=sets)
    assert reference.go(ticks=ticks).returncode == 0
    run = plan_run(agent, task, budget, sets=sets)
    for kill in KILLS:
        hurt = run.go(fault=kill, ticks=ticks)
        assert hurt.returncode == -signal.SIGKILL, (kill, hurt.returncode, hurt.stderr)
    done = run.go(ticks=ticks)
    assert done.returncode == 0, done.stderr
    assert run.events == reference.events
    assert run.run.record.exactness == "exact"


# Passes count from each start: in the data, in V, in M, and in two generations; 50 ticks between checkpoints
IN_EACH_STAGE = ("loop.observed:100", "loop.unit:9", "loop.unit:40", "loop.observed:300", "loop.acted:250")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["world_models-toy", "world_models-road", NAMES[-1]])
def test_a_kill_in_each_stage_gives_the_events_of_an_undisturbed_run(plan_run, case):
    agent, task, budget, _, sets = CASES[case]
    reference = plan_run(agent, task, budget, sets=sets)
    assert reference.go(ticks=50).returncode == 0
    run = plan_run(agent, task, budget, sets=sets)
    for kill in IN_EACH_STAGE:
        assert run.go(fault=kill, ticks=50).returncode == -signal.SIGKILL, kill
    assert run.go(ticks=50).returncode == 0
    assert run.events == reference.events
    assert run.run.record.exactness == "exact"


@pytest.mark.slow
@pytest.mark.parametrize("case", NAMES)
def test_twice_as_long_and_without_evaluations(plan_run, case):
    agent, task, budget, ticks, sets = CASES[case]
    every = budget.every
    reference = plan_run(agent, task, Budget(2 * every, every, 1, 1), sets=sets)
    assert reference.go(ticks=ticks).returncode == 0
    run = plan_run(agent, task, Budget(every, every, 1, 1), keep=True, sets=sets)
    assert run.go(ticks=ticks).returncode == 0
    run.extend(2 * every)
    assert run.go(ticks=ticks).returncode == 0
    assert run.events == reference.events
    silent = plan_run(agent, task, Budget(2 * every, 2 * every, 1, 1), sets=sets)
    assert silent.go(ticks=ticks).returncode == 0
    training = [line for line in reference.events.splitlines() if b'"event":"evaluation"' not in line]
    assert [line for line in silent.events.splitlines() if b'"event":"evaluation"' not in line] == training
