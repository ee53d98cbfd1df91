"""DreamerV3 on a GPU: the same update as on a CPU but for bfloat16, and nothing waits for the device."""

import pytest
import torch

from bench.agents import registry
from bench.agents.common.hostsync import no_host_sync
from bench.agents.dreamer.agent import Dreamer
from bench.agents.dreamer.rssm import Latent
from bench.agents.dreamer.update import Batch
from bench.tests.agents.dreamer.test_update import SMALL, built, window

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(),
        reason="no CUDA device: not checked whether dreamer's update on a GPU agrees with the CPU's and never waits",
    ),
]


def moved(batch: Batch) -> Batch:
    return Batch(
        before=Latent(*(part.cuda() for part in batch.before)),
        observation={key: value.cuda() for key, value in batch.observation.items()},
        **{name: getattr(batch, name).cuda() for name in ("action", "reward", "first", "last", "terminal")},
    )


@pytest.mark.parametrize("task_id", ["counter/vector-box", "counter/image-discrete"])
def test_the_update_agrees_with_the_cpus(task_id):
    here = built(task_id, played=40)
    config = registry.resolve(registry.get("dreamer"), here.task, "tiny", SMALL, {})
    there = Dreamer(config, here.task, 0, "cuda:0")
    there.networks.load_state_dict(here.networks.state_dict())
    there.slow.load_state_dict(here.slow.state_dict())
    batch = here.batch(window(here))
    here.metrics()
    here.update(batch)
    with no_host_sync():
        there.update(moved(batch))
    one, other = here.metrics(), there.metrics()
    for name in (f"loss_reconstruction_{next(iter(batch.observation))}", "loss_reward", "loss_continue"):
        assert other[name] == pytest.approx(one[name], rel=0.05)
    policy = there.policy(2, 0, "explore")
    observation = {key: value[:2, 0].numpy() for key, value in batch.observation.items()}
    action, stored = policy.act(observation, batch.first[:2, 0].numpy())
    assert len(action) == 2
    assert stored["deter"].shape == (2, config.deter)
