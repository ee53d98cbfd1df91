"""DreamerV3 without a decoder: InfoNCE in the place of reconstruction (`contrastive_dreamer:v3`), or nothing."""

import math

import torch

from bench.agents import registry
from bench.agents.common.hostsync import no_host_sync
from bench.agents.dreamer.update import losses
from bench.benchmarks import plan
from bench.tests.agents.dreamer.test_update import TASKS, built, refused, window


def encoder_gradient(objective: str, **silent: float) -> torch.Tensor:
    """That of the total loss, the heads and the KL silenced where a weight is 0."""
    agent = built(played=40, objective=objective, warmup=10**9, replay_value_scale=0.0, **silent)
    torch.nn.init.zeros_(agent.networks.reward.layers[-1].weight)
    torch.nn.init.zeros_(agent.networks.going_on.layers[-1].weight)
    total, _, _ = losses(
        agent.networks, agent.slow, agent.scale, agent.config, agent.batch(window(agent)), agent.generator
    )
    return torch.cat([g.flatten() for g in torch.autograd.grad(total, list(agent.networks.encoder.parameters()))])


def test_the_encoder_learns_by_infonce_besides_kl_and_the_heads():
    quiet = {"dyn_scale": 0.0, "rep_scale": 0.0}
    assert not encoder_gradient("none", **quiet).any()
    assert encoder_gradient("infonce", **quiet).any()


def test_it_has_no_decoder_and_learns_to_tell_observations_apart():
    agent = built(played=40, objective="infonce", warmup=1, learning_rate=4e-3)
    batch, found = agent.batch(window(agent)), []
    agent.metrics()
    for _ in range(8):
        with no_host_sync():
            agent.update(batch)
        found.append(agent.metrics()["loss_infonce"])
    assert found[-1] < 0.8 * found[0]
    assert found[-1] < math.log(batch.reward.numel())  # what chance gives
    assert not any("reconstruction" in name for name in agent.sums)
    assert agent.world_model.predicts.decodes == ()
    assert agent.media() == {}


def test_the_name_the_lineage_knows_it_by():
    spec, variant, diff = registry.parse("contrastive_dreamer:v3")
    assert (spec.name, variant, diff) == ("dreamer", "infonce", {"objective": "infonce"})


def test_both_names_plan_one_run(tmp_path):
    both = "contrastive_dreamer:v3,dreamer:infonce"
    made = plan.make(plan.Request(both, "toy", "reach", "1", "tiny", root=tmp_path, device="cpu"))
    assert [run.identity.label for run in made.runs] == ["dreamer:infonce"]


def test_what_it_cannot_do_is_refused():
    task = TASKS["counter/vector-box"]
    assert "unknown objective of dreamer 'infonc'. Did you mean 'infonce'" in refused(task, objective="infonc")
    assert "fewer than two" in refused(task, objective="infonce", batch=1, length=1)
