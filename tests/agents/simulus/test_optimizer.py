"""The optimiser: torch's AdamW, which weights decay, and updates that are skipped."""

import pytest
import torch

from bench.agents.api import Diverged
from bench.agents.common.tree import copied, difference
from bench.agents.counter import TASKS
from bench.agents.simulus.means import Means
from bench.agents.simulus.optimizer import PATIENCE, AdamW, Group
from bench.agents.simulus.update import grouped
from bench.tests.agents.simulus.subjects import built, generator

IMAGE = TASKS["counter/image-discrete"]


def test_which_weights_decay():
    world = built(IMAGE).networks.world
    decayed, free = ({id(parameter) for parameter in group.parameters} for group in grouped(world, 0.1))
    names = {id(parameter): name for name, parameter in world.named_parameters()}
    assert decayed | free == names.keys()
    assert {names[each] for each in free if names[each].endswith("weight") and "norm" not in names[each]} >= {
        "trunk.slots.weight", "embed_action.weight",
    }  # fmt: skip
    assert {names[each].rpartition(".")[2] for each in decayed} == {"weight"}
    assert len(decayed) == 7 * 2 + 2 + 2 + 2 + 2  # layers, and two matrices per head


def test_adamw_is_torchs():
    chance = generator()
    start = [torch.randn(3, 4, generator=chance), torch.randn(4, generator=chance)]
    ours, theirs = ([part.clone().requires_grad_() for part in start] for _ in range(2))
    optimizer = AdamW([Group(ours[:1], 0.1), Group(ours[1:], 0.0)], 1e-2, clip=0.5)
    groups = [{"params": theirs[:1]}, {"params": theirs[1:], "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, 1e-2, weight_decay=0.1)
    for scale in (1.0, 0.01, 3.0):
        found = optimizer.step(sum((scale * p**2).sum() for p in ours))
        reference.zero_grad()
        sum((scale * p**2).sum() for p in theirs).backward()
        norm = torch.nn.utils.clip_grad_norm_(theirs, 0.5)
        reference.step()
        assert torch.allclose(found["gradient_norm"], norm)
        for one, other in zip(ours, theirs, strict=True):
            assert torch.allclose(one, other, atol=1e-6)


def test_a_step_without_a_finite_gradient_changes_nothing():
    weights = [torch.ones(3, requires_grad=True), torch.ones(2, requires_grad=True)]
    optimizer, other = (AdamW([Group(weights[:1], 0.1), Group(weights[1:], 0.0)], 1e-2, clip=1.0) for _ in range(2))
    optimizer.step(sum((p**2).sum() for p in weights))
    before = copied({"weights": weights, "moments": optimizer.state_dict()["moments"], "steps": optimizer.steps})
    for count in range(1, PATIENCE + 3):
        found = optimizer.step((weights[0] * float("inf")).sum() + weights[1].sum())
        assert found["skipped"] == 1
        assert optimizer.skipped == min(count, PATIENCE)
    after = {"weights": weights, "moments": optimizer.state_dict()["moments"], "steps": optimizer.steps}
    assert not difference(before, copied(after))
    other.load_state_dict(copied(optimizer.state_dict()))
    assert not difference(copied(other.state_dict()), copied(optimizer.state_dict()))
    other.step(sum((p**2).sum() for p in weights))
    assert other.skipped == PATIENCE  # it stays until somebody has looked
    other.skipped = torch.ones(())
    other.step(sum((p**2).sum() for p in weights))
    assert other.skipped == 0


@pytest.mark.parametrize("module", ["tokenizer", "model", "controller"])
def test_too_many_skipped_updates_are_divergence(seer, module):
    optimizer = seer.updater.optimizers[module]
    optimizer.skipped = torch.tensor(PATIENCE - 1.0)
    seer.metrics()
    optimizer.skipped = torch.tensor(float(PATIENCE))
    with pytest.raises(Diverged, match=f"{PATIENCE} updates of the {module} in a row"):
        seer.metrics()
    optimizer.skipped = torch.zeros(())


def test_means_leave_out_what_is_not_finite():
    means, other = Means("cpu"), Means("cpu")
    for a, b in ((1.0, 2.0), (float("nan"), 4.0), (5.0, float("inf"))):
        means.add({"a": torch.tensor(a), "b": torch.tensor(b)})
    means.add({"c": torch.tensor(float("nan"))})
    other.load_state_dict(means.state_dict())
    assert means.take() == other.take() == {"a": 3.0, "b": 3.0}
    assert means.take() == {}
