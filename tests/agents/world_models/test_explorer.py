"""The random policies: what the released code's amounts to, and what the others hold on to."""

import pytest
import torch

from bench.agents.world_models.explorer import POLICIES, Explorer
from bench.tests.agents.world_models.subjects import generator


def played(policy: str, actions: str, outputs: int, envs: int, steps: int) -> torch.Tensor:
    """Actions [steps, E, ...] of E episodes that begin together."""
    explorer, chance = Explorer(policy, actions, outputs, envs), generator()
    return torch.stack([explorer(torch.full((envs,), at == 0), chance) for at in range(steps)])


def test_the_released_random_policy_gives_half_the_gas():
    action = played("cauchy", "racing", 3, 1000, 50)
    gas, brake = (action[..., 1] + 1) / 2, (action[..., 2] + 1) / 2
    assert 0.45 <= gas.mean().item() <= 0.55
    assert (brake == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
    within, between = action.var(0).mean(0), action.mean(0).var(0)
    assert (between[:2] > 0).all() and (within[:2] < 0.2).all()  # an episode keeps its manner


def test_brownian_motion_moves_slowly():
    action = played("brownian", "racing", 3, 200, 100)
    for axis in action.unbind(-1):
        pair = torch.stack([axis[:-1].flatten(), axis[1:].flatten()])
        assert torch.corrcoef(pair)[0, 1] > 0.8


def test_hold_keeps_an_action_for_one_to_ten_decisions():
    action = played("hold", "box", 1, 1, 3000)[:, 0, 0]
    changes = torch.nonzero(action.diff()).flatten()
    runs = changes.diff()
    assert set(runs.tolist()) == set(range(1, 11))
    assert torch.bincount(played("hold", "thirds", 1, 50, 400).flatten()).float().std() < 0.1 * 20_000 / 3


@pytest.mark.parametrize("policy", POLICIES)
def test_actions_are_ready_for_the_task_and_episodes_do_not_touch(policy):
    assert played(policy, "box", 2, 3, 5).shape == (5, 3, 2)
    assert played(policy, "box", 2, 3, 200).abs().max() <= 1
    assert played(policy, "thirds", 1, 3, 5).unique().max() <= 2
    one, other = Explorer(policy, "box", 2, 2), Explorer(policy, "box", 2, 2)
    chances = generator(), generator()
    for at in range(8):  # the second environment's episode begins anew in one of them
        flags = [torch.tensor([at == 0, at == 0 or (anew and at == 4)]) for anew in (False, True)]
        actions = [made(flag, chance) for made, flag, chance in zip((one, other), flags, chances, strict=True)]
        assert torch.equal(actions[0][0], actions[1][0])


def test_choices_all_come_up():
    assert played("hold", "argmax", 4, 20, 100).unique().tolist() == [0, 1, 2, 3]
