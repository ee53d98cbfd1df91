"""One optimiser step of each module; no gradient crosses their borders, and none waits for the device."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from bench.agents.api import Diverged, State, Task
from bench.agents.common.capture import Capture
from bench.agents.simulus import image, imagination
from bench.agents.simulus.config import SimulusConfig
from bench.agents.simulus.controller import Controller
from bench.agents.simulus.imagination import Contexts, ReturnScale, dream
from bench.agents.simulus.optimizer import PATIENCE, AdamW, Group
from bench.agents.simulus.perceptual import LPIPS, load
from bench.agents.simulus.tokenizers import Tokenizers
from bench.agents.simulus.world import Segments, World

Report = dict[str, Tensor]


class Networks(nn.Module):
    """V, M and C."""

    def __init__(self, config: SimulusConfig, task: Task):
        super().__init__()
        self.tokenizers = Tokenizers(config, task)
        self.world = World(config, self.tokenizers)
        self.controller = Controller(config, self.tokenizers, task)


class Updater:
    """Owns the optimisers and the scale of the returns. `codes` and tokens come from V without gradient."""

    def __init__(self, config: SimulusConfig, networks: Networks, device: str, capture: Capture):
        self.config, self.networks = config, networks
        self.perceptual: LPIPS | None = None
        self.optimizers: dict[str, AdamW] = {}
        if networks.tokenizers.image is not None:
            self.perceptual = load(config.lpips).to(device) if config.lpips else None
            groups = [Group(list(networks.tokenizers.parameters()), config.tokenizer_decay)]
            self.optimizers["tokenizer"] = AdamW(groups, config.tokenizer_rate, config.tokenizer_clip)
        self.optimizers["model"] = AdamW(
            grouped(networks.world, config.model_decay), config.model_rate, config.model_clip
        )
        groups = [Group(list(networks.controller.parameters()), config.controller_decay)]
        self.optimizers["controller"] = AdamW(groups, config.controller_rate, config.controller_clip)
        self.scale = ReturnScale((config.length - config.context) * config.controller_batch, device)
        self.tokenizer, self.model = capture(self.descend_tokenizer), capture(self.descend_model)
        self.descended = capture(self.descend_controller)

    def descend_tokenizer(self, images: Tensor) -> Report:
        """On uint8 images [N, H, W, C]."""
        net = self.networks.tokenizers.image
        assert net is not None
        net.decoder.train()  # its BatchNorm, where it has one
        coded = net(images)
        net.decoder.eval()
        terms = image.losses(coded, images, self.perceptual)
        return self._step("tokenizer", terms)

    def descend_model(self, segments: Segments, generator: Generator) -> tuple[Report, Tensor]:
        """On segments; also their new priorities [B]."""
        world = self.networks.world
        terms, priority = world.losses(segments, self.networks.tokenizers.codes, generator)
        report = self._step("model", terms)
        return {**report, "rewards_outside": world.reward.outside(segments.reward).float()}, priority

    def controller(self, contexts: Contexts, intrinsic: float, actor: bool, generator: Generator) -> Report:
        """In dreams from contexts. `actor`: False trains the critic alone."""
        return self.descended(contexts, intrinsic, actor, self.scale.turn(), generator)

    def descend_controller(
        self, contexts: Contexts, intrinsic: float, actor: bool, held: int, generator: Generator
    ) -> Report:
        """The same on the device alone. held: batches of returns that count, this one included."""
        net, config = self.networks, self.config
        dreams = dream(net.world, net.controller, net.tokenizers, config, contexts, intrinsic, generator)
        terms, report = imagination.losses(dreams, net.controller, self.scale, held, config)
        if not actor:
            terms = {name: term if name == "critic" else 0 * term for name, term in terms.items()}
        return {**self._step("controller", terms), **report}

    def _step(self, name: str, terms: Report) -> Report:
        """Minimise the sum of the terms, and report them."""
        found = self.optimizers[name].step(torch.stack(list(terms.values())).sum())
        losses = {f"{name}_{term}_loss": value.detach() for term, value in terms.items()}
        return {**losses, **{f"{name}_{key}": value for key, value in found.items()}}

    def check(self) -> None:
        """Diverged where a module skipped too many updates in a row. Waits for the device."""
        counts = torch.stack([optimizer.skipped for optimizer in self.optimizers.values()]).tolist()
        for name, count in zip(self.optimizers, counts, strict=True):
            if count >= PATIENCE:
                raise Diverged(f"simulus: {PATIENCE} updates of the {name} in a row had gradients that are not finite")

    def state_dict(self) -> State:
        optimizers = {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}
        return {"optimizers": optimizers, "scale": self.scale.state_dict()}

    def load_state_dict(self, state: State) -> None:
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.scale.load_state_dict(state["scale"])


def grouped(world: World, decay: float) -> list[Group]:
    """The parameters by whether their weight decays: that of matrices does; norms, biases and embeddings have none."""
    decayed: list[Tensor] = []
    free: list[Tensor] = []
    for name, parameter in world.named_parameters():
        embeds = "embed" in name or "slots" in name
        norms = parameter.ndim < 2 or "norm" in name or name.endswith("bias")
        (free if embeds or norms else decayed).append(parameter)
    return [Group(decayed, decay), Group(free, 0.0)]
