"""One optimiser step of each module; no gradient crosses their borders, and none waits for the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import clip_grad_norm_

from bench.agents.api import Diverged, State, Task
from bench.agents.simulus import image, imagination
from bench.agents.simulus.config import SimulusConfig
from bench.agents.simulus.controller import Controller
from bench.agents.simulus.imagination import Contexts, ReturnScale, dream
from bench.agents.simulus.perceptual import LPIPS, load
from bench.agents.simulus.tokenizers import Tokenizers
from bench.agents.simulus.world import Segments, World

Report = dict[str, Tensor]
PATIENCE = 20  # updates of a module in a row whose gradients are not finite: then training has diverged


class Networks(nn.Module):
    """V, M and C."""

    def __init__(self, config: SimulusConfig, task: Task):
        super().__init__()
        self.tokenizers = Tokenizers(config, task)
        self.world = World(config, self.tokenizers)
        self.controller = Controller(config, self.tokenizers, task)


class Updater:
    """Owns the optimisers and the scale of the returns. `codes` and tokens come from V without gradient."""

    def __init__(self, config: SimulusConfig, networks: Networks, device: str):
        self.config, self.networks = config, networks
        self.perceptual: LPIPS | None = None
        self.optimizers: dict[str, torch.optim.AdamW] = {}
        if networks.tokenizers.image is not None:
            self.perceptual = load(config.lpips).to(device) if config.lpips else None
            groups = [{"params": list(networks.tokenizers.parameters())}]
            self.optimizers["tokenizer"] = _adamw(groups, config.tokenizer_rate, config.tokenizer_decay)
        self.optimizers["model"] = _adamw(grouped(networks.world), config.model_rate, config.model_decay)
        groups = [{"params": list(networks.controller.parameters())}]
        self.optimizers["controller"] = _adamw(groups, config.controller_rate, config.controller_decay)
        self.scale = ReturnScale((config.length - config.context) * config.controller_batch, device)
        self.skipped = {name: torch.zeros((), device=device) for name in self.optimizers}  # in a row, to PATIENCE

    def tokenizer(self, images: Tensor) -> Report:
        """On uint8 images [N, H, W, C]."""
        net = self.networks.tokenizers.image
        assert net is not None
        net.decoder.train()  # its BatchNorm, where it has one
        coded = net(images)
        net.decoder.eval()
        terms = image.losses(coded, images, self.perceptual)
        return self._step("tokenizer", terms, self.config.tokenizer_clip)

    def model(self, segments: Segments, generator: Generator) -> tuple[Report, Tensor]:
        """On segments; also their new priorities [B]."""
        world = self.networks.world
        terms, priority = world.losses(segments, self.networks.tokenizers.codes, generator)
        report = self._step("model", terms, self.config.model_clip)
        return {**report, "rewards_outside": world.reward.outside(segments.reward).float()}, priority

    def controller(self, contexts: Contexts, intrinsic: float, actor: bool, generator: Generator) -> Report:
        """In dreams from contexts. `actor`: False trains the critic alone."""
        net, config = self.networks, self.config
        dreams = dream(net.world, net.controller, net.tokenizers, config, contexts, intrinsic, generator)
        terms, report = imagination.losses(dreams, net.controller, self.scale, config)
        if not actor:
            terms = {name: term if name == "critic" else 0 * term for name, term in terms.items()}
        return {**self._step("controller", terms, config.controller_clip), **report}

    def _step(self, name: str, terms: Report, clip: float) -> Report:
        """Minimise the sum of the terms. Reports them, and the gradient's norm before it was clipped; where that is
        not finite, weights and moments stay as they are."""
        optimizer, skipped = self.optimizers[name], self.skipped[name]
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        norm = clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip)
        strange = ~norm.isfinite()
        self.skipped[name] = torch.where(skipped < PATIENCE, (skipped + 1) * strange, skipped)
        setattr(optimizer, "found_inf", strange.float())  # noqa: B010 - torch's fused kernels skip the step where it is 1
        optimizer.step()
        return {
            **{f"{name}_{term}_loss": value.detach() for term, value in terms.items()},
            f"{name}_gradient_norm": norm,
            f"{name}_skipped": strange.float(),
        }

    def check(self) -> None:
        """Diverged where a module skipped too many updates in a row. Waits for the device."""
        counts = torch.stack(list(self.skipped.values())).tolist()
        for name, count in zip(self.skipped, counts, strict=True):
            if count >= PATIENCE:
                raise Diverged(f"simulus: {PATIENCE} updates of the {name} in a row had gradients that are not finite")

    def state_dict(self) -> State:
        optimizers = {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}
        return {"optimizers": optimizers, "scale": self.scale.state_dict(), "skipped": dict(self.skipped)}

    def load_state_dict(self, state: State) -> None:
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.scale.load_state_dict(state["scale"])
        self.skipped = {name: count.to(self.scale.returns) for name, count in state["skipped"].items()}


def grouped(world: World) -> list[dict[str, Any]]:
    """The parameters by whether their weight decays: that of matrices does; norms, biases and embeddings have none."""
    decayed: list[Tensor] = []
    free: list[Tensor] = []
    for name, parameter in world.named_parameters():
        embeds = "embed" in name or "slots" in name
        norms = parameter.ndim < 2 or "norm" in name or name.endswith("bias")
        (free if embeds or norms else decayed).append(parameter)
    return [{"params": decayed}, {"params": free, "weight_decay": 0.0}]


def _adamw(groups: list[dict[str, Any]], rate: float, decay: float) -> torch.optim.AdamW:
    return torch.optim.AdamW(groups, rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=decay, fused=True)
