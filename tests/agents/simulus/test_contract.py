"""Simulus keeps the contract while it trains; what it cannot do is refused before any work."""

import numpy as np
import pytest
from gymnasium import spaces

from bench.agents import conformance
from bench.agents.api import Task
from bench.agents.counter import TASKS
from bench.agents.simulus import spec as entry
from bench.agents.simulus.agent import Simulus
from bench.agents.simulus.tokenizers import layout
from bench.benchmarks import plan
from bench.benchmarks.errors import RequestError
from bench.tests.agents.simulus.subjects import SMALLEST, atari, config, played, walker

VECTOR, IMAGE = TASKS["counter/vector-box"], TASKS["counter/image-discrete"]


@pytest.mark.parametrize("task", ["counter/vector-discrete", pytest.param("counter/image-box", marks=pytest.mark.slow)])
def test_simulus_keeps_the_contract(task, tmp_path, monkeypatch):
    variant = tmp_path / "early.yaml"
    fields = {**SMALLEST, "fuser": "[16]", "channels": "[8, 8]", "epoch_steps": 60}
    variant.write_text("".join(f"{name}: {value}\n" for name, value in fields.items()))
    units = []
    update = Simulus._update
    monkeypatch.setattr(
        Simulus, "_update", lambda self, unit, rows: units.append(unit.module) or update(self, unit, rows)
    )
    results = list(conformance.run(f"simulus:{variant}", [task]))
    assert not [f"{result.name}: {result.reason}" for result in results if not result.ok]
    assert len(results) == 1 + len(conformance.CHECKS)
    assert {"world model", "controller"} <= set(units)


def shown(**keys: spaces.Space) -> Task:
    return Task("any", spaces.Dict(keys), spaces.Discrete(3), 1, 12, True)


REFUSED = {
    "a modality without a tokenizer": (shown(where=spaces.Discrete(4)), {}, ["tokenizers", "'where'", "Discrete(4)"]),
    "an image off the grid": (shown(image=spaces.Box(0, 255, (60, 64, 3), np.uint8)), {}, ["8x8", "60x64"]),
    "nothing to see": (shown(), {}, ["no observation"]),
    "context and horizon beyond an episode": (VECTOR, {"length": 14}, ["length=14", "13 observations"]),
    "no room to imagine": (VECTOR, {"length": 5, "context": 4}, ["length=5", "context=4"]),
    "a batch the ensemble cannot share": (VECTOR, {"length": 5, "model_batch": 6}, ["model_batch=6", "members=4"]),
    "an ensemble of one": (VECTOR, {"length": 5, "members": 1}, ["members at least 2, not 1"]),
    "heads of no size": (VECTOR, {"length": 5, "width": 40, "heads": 3}, ["width=40", "heads=3"]),
    "channels the norms cannot group": (IMAGE, {"tokenizer_width": 12}, ["tokenizer_width=12"]),
    "no convolution": (IMAGE, {"channels": ()}, ["channels=()"]),
    "no codes": (IMAGE, {"codes": 0}, ["codes at least 1, not 0"]),
    "a width of nothing": (VECTOR, {"fuser": (0,)}, ["fuser=(0,)"]),
    "epochs of nothing": (VECTOR, {"epoch_steps": 0}, ["epoch_steps at least 1, not 0"]),
    "no layers": (VECTOR, {"layers": 0}, ["layers at least 1, not 0"]),
    "an empty batch": (VECTOR, {"model_batch": 0}, ["model_batch at least 1, not 0"]),
    "an empty batch of dreams": (VECTOR, {"controller_batch": 0}, ["controller_batch at least 1, not 0"]),
    "an empty batch of frames": (IMAGE, {"tokenizer_batch": 0}, ["tokenizer_batch at least 1, not 0"]),
    "a share beyond all": (VECTOR, {"prioritised": 1.5}, ["prioritised from 0 to 1, not 1.5"]),
    "a burn-in before the start": (VECTOR, {"burn_in": -1}, ["burn_in at least 0, not -1"]),
    "no memory": (VECTOR, {"memory_min": 0.0}, ["memory_min=0"]),
    "memory upside down": (VECTOR, {"memory_min": 9.0, "memory_max": 2.0}, ["memory_min=9", "memory_max=2"]),
    "several environments": (VECTOR, {"length": 5, "collection.envs": 2}, ["collection.envs=2"]),
    "a perceptual net that is not there": (IMAGE, {"lpips": "nowhere"}, ["'nowhere'", "lacks vgg16-397923af.pth"]),
    "dreams before there is a model": (VECTOR, {"length": 5, "controller_after": 0}, ["controller_after=0"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_it_cannot_do_is_refused_with_the_reason(case):
    task, diff, words = REFUSED[case]
    said = entry.supports(task, config(task, **diff))
    assert said is not None and all(word in said for word in words), said


def test_a_segment_may_hold_a_whole_episode():
    agent = played(VECTOR, steps=60, length=13).agent  # 12 decisions, and what the last one led to
    assert agent.updates > 0
    assert agent.segments(agent.rows(0, 13)).there.sum(1).max() == 13


def test_what_only_images_need_is_not_asked_of_vectors():
    assert entry.supports(VECTOR, config(VECTOR, length=5, tokenizer_width=12, channels=(), codes=0)) is None


def test_the_command_says_so_before_it_starts(tmp_path):
    with pytest.raises(RequestError, match="model_batch=6"):
        sets = ["simulus.model_batch=6"]
        request = plan.Request(
            "simulus", tasks="toy/reach", seeds="1", scale="tiny", frames="1000", sets=sets, root=tmp_path
        )
        plan.make(request)


@pytest.mark.parametrize("scale", ["paper", "small", "tiny"])
@pytest.mark.parametrize("task", [atari(), walker()], ids=lambda task: task.id)
def test_every_scale_is_supported_and_has_its_costs(scale, task):
    resolved = config(task, scale)
    assert entry.supports(task, resolved) is None
    assert entry.cost(task, resolved).flops > 0


def test_tiny_keeps_every_module():
    tiny, paper = config(atari(), "tiny"), config(atari(), "paper")
    assert tiny.layers == 2
    for field in ("members", "prioritised", "dropout", "memory_min", "memory_max", "intrinsic", "context", "separate"):
        assert getattr(tiny, field) == getattr(paper, field), field
    assert layout(atari()).observed == 64


def test_parity_is_what_the_readme_says():
    fixed, parity = config(atari(), "paper"), config(atari(), "paper", **entry.VARIANTS["parity"])
    changed = {name for name in vars(fixed) if getattr(fixed, name) != getattr(parity, name)}
    switches = {"end_shift", "burn_in_actions", "aligned_context", "executed_action", "final_bonus", "batch_norm"}
    assert changed == switches


def test_atari_is_collected_as_published():
    collection = config(atari(), "paper").collection
    assert collection.life_loss_ends and collection.frame_sign_reward
    assert collection.max_frames == 20_000
