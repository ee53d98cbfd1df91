"""The code that runs at every step, beside the plainest way to do the same: `make bench`, a minute or two.

    python -m bench.benchmarks.hot_paths

Each path is timed against a reference written out here, in turns and in one process, so that a slow machine slows both;
the reference is never improved. Limits of ratios are about twice what a quiet machine shows. Exit status 1 where a
ratio, a time or the memory is over its limit.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from gymnasium import spaces

from bench.agents import registry as agents
from bench.agents.api import Step, Task
from bench.agents.common.replay import SequenceReplay
from bench.benchmarks.collector import Collector
from bench.envs import registry as envs
from bench.envs.base import observed
from bench.envs.vector import VectorTask
from bench.results import tree
from bench.results.schema import At, Episode
from bench.results.store import EventLog

STEPS = 100_000  # decisions stored
BATCH, LENGTH = 16, 64  # windows of image sequences, as world models sample them
EPISODE = 1000  # decisions
SAMPLE_LIMIT = 0.010  # seconds, for one batch
MEMORY_LIMIT = 1.3e9  # bytes, for all steps


@dataclass(frozen=True)
class Result:
    """A path and its reference in seconds per operation, and how many times the reference's it may take."""

    path: str
    ours: float
    naive: float
    limit: float

    @property
    def ratio(self) -> float:
        return self.ours / self.naive


def compare(
    path: str, limit: float, ours: Callable[[], Any], naive: Callable[[], Any], count: int = 1, turns: int = 9
) -> Result:
    """Time both, each call doing `count` operations: the best of `turns` calls each, taken in turns."""
    best = {ours: float("inf"), naive: float("inf")}
    for _ in range(turns):
        for call in best:
            start = time.perf_counter()
            call()
            best[call] = min(best[call], time.perf_counter() - start)
    return Result(path, best[ours] / count, best[naive] / count, limit)


def fill() -> tuple[SequenceReplay, float]:
    """A replay of STEPS decisions seen in 64x64 RGB, and the bytes the process grew by."""
    task = Task("any", observed({"image": (64, 64, 3)}), spaces.Box(-1, 1, (3,), np.float32), 1, EPISODE, False)
    replay = SequenceReplay(task, STEPS)
    images = np.random.default_rng(0).integers(256, size=(16, 1, 64, 64, 3), dtype=np.uint8)
    action, reward, never = np.zeros((1, 3), np.float32), np.zeros(1, np.float32), np.zeros(1, bool)
    process = psutil.Process()
    before = process.memory_info().rss
    for number in range(STEPS):
        seen, after = {"image": images[number % 16]}, {"image": images[(number + 1) % 16]}
        first, end = np.array([number % EPISODE == 0]), np.array([number % EPISODE == EPISODE - 1])
        replay.add(Step(seen, action, reward, after, first, never, end, np.array([number // EPISODE]), None))
    return replay, process.memory_info().rss - before


def sampling(replay: SequenceReplay) -> Result:
    """A batch of windows, against one row after the other out of a list (of a tenth as many: far above any cache)."""
    rng = np.random.default_rng(0)
    images = replay.gather(np.array([[0, 0]]), STEPS // 10).observation["image"][0]
    rows = [{"image": image, "action": np.zeros(3, np.float32), "reward": 0.0, "first": False} for image in images]

    def naive() -> dict[str, np.ndarray]:
        starts = rng.integers(len(rows) - LENGTH, size=BATCH)
        return {
            key: np.stack([np.stack([rows[start + offset][key] for offset in range(LENGTH)]) for start in starts])
            for key in rows[0]
        }

    def ours() -> Any:
        return replay.sample(rng, BATCH, LENGTH)

    return compare(f"replay: sample {BATCH}x{LENGTH} images of {STEPS:,}", 0.8, ours, naive)


def collecting(count: int = 5000) -> Result:
    """A decision through the collector, episodes and their rows included, against the bare environment."""
    name = "toy/reach"
    spec, task = agents.get("random"), envs.task(name)
    agent = agents.load(spec)(agents.resolve(spec, task, "tiny", {}, {}), task, 0, "cpu")
    collector = Collector(VectorTask([envs.make(name)]), agent, lambda *_: None)
    collector.start()
    bare = envs.make(name)
    action = np.zeros((1, 2), np.float32)

    def ours() -> None:
        for _ in range(count):
            collector.step(action, None)
            collector.cut(None)

    def naive() -> None:
        over = True
        for number in range(count):
            if over:
                bare.reset(seed=number)
            _, _, terminated, truncated, _ = bare.step(action[0])
            over = terminated or truncated

    return compare("collector: one decision on toy/reach", 8.0, ours, naive, count)


def logging(folder: Path, count: int = 2000) -> Result:
    """An event row handed to the operating system, against a line of JSON and a flush."""
    event = Episode(At(123456, 100_000, 400_000, 23_456), 99, 1_234_567, 21.0, 1000, "truncated")
    log = EventLog(folder / "events.jsonl")
    plain = open(folder / "plain.jsonl", "w", encoding="utf-8")  # noqa: SIM115 - open over many calls, as the log is
    document = asdict(event)

    def ours() -> None:
        for _ in range(count):
            log.append(event)
            log.push()

    def naive() -> None:
        for _ in range(count):
            plain.write(json.dumps(document) + "\n")
            plain.flush()

    with plain:
        result = compare("event rows: one row", 6.0, ours, naive, count)
    log.close()
    return result


def saving(folder: Path) -> Result:
    """The state of a small agent (40 arrays, 21 MB) forced to the disk, against np.save of one array as large."""
    rng = np.random.default_rng(0)
    state = {f"layer {number}": rng.normal(size=(256, 256)) for number in range(40)}
    whole = np.stack(list(state.values()))

    def ours() -> None:
        tree.save(folder / "state", state)

    def naive() -> None:
        with open(folder / "state.npy", "wb") as file:
            np.save(file, whole)
            file.flush()
            os.fsync(file.fileno())

    return compare("checkpoint: a tree of 21 MB", 5.0, ours, naive)


def planning() -> Iterator[Result]:
    """A plan and an update of TD-MPC2 and DC-MPC on walker's sizes, each against its matrix products alone, two
    threads."""
    import torch

    from bench.benchmarks.products import Products

    torch.set_num_threads(2)
    warm, agent, now = torch.zeros(1, 3, 6), *_walker("tdmpc2")
    batch = agent.batch()
    paths = {
        "tdmpc2 5M: one plan": lambda: agent.plan(now, warm, agent.generator),
        "tdmpc2 5M: one update": lambda: agent.updater.update(batch, agent.generator),
    }
    codes, seen = _walker("dcmpc")
    slices, transitions = codes.slices(), codes.transitions()
    paths |= {
        "dcmpc 11M: one plan": lambda: codes.plan(seen, warm, 0.1, codes.generator),
        "dcmpc 11M: one update": lambda: codes.updater.update(slices, transitions, codes.generator),
    }
    for path, ours in paths.items():
        with Products() as products:
            ours()
        yield compare(path, 2.0, ours, products.replay, turns=9 if path.startswith("tdmpc2") else 3)


def _walker(name: str) -> tuple[Any, dict[str, Any]]:
    """An agent at its paper's size after one random episode of walker, and what it saw last."""
    task = Task("dmc-state/walker_walk", observed({"state": (24,)}), spaces.Box(-1, 1, (6,), np.float32), 2, 500, False)
    spec = agents.get(name)
    agent: Any = agents.load(spec)(agents.resolve(spec, task, "paper", {}, {}), task, 0, "cpu")
    rng = np.random.default_rng(0)
    for number in range(500):
        seen = {"state": rng.normal(size=(1, 24)).astype(np.float32)}
        action, reward = rng.uniform(-1, 1, (1, 6)).astype(np.float32), rng.uniform(0, 2, 1).astype(np.float32)
        first, end = np.array([number == 0]), np.array([number == 499])
        agent.observe(Step(seen, action, reward, seen, first, np.zeros(1, bool), end, np.zeros(1, int), None))
    return agent, agent.tensors(seen)


def predicting() -> Iterator[Result]:
    """Simulus's trunk on Atari's 64 + 1 tokens, one thread: an imagined step against the same token by token, four
    times as fast at batch 1; and the training forward, predictions included, against real tokens alone."""
    import torch

    from bench.agents.simulus.trunk import Trunk

    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokens = 64
    with torch.no_grad():
        net = Trunk(2, 4, 64, tokens, 1, (4.0, 16.0), dropout=0.0)
        for batch, limit in ((1, 0.25), (8, 0.5), (128, 1.0)):
            block, state = torch.randn(batch, net.block, 64), net.initial(batch)
            slots = net.slots.weight[:tokens].expand(batch, -1, -1)

            def ours(block: Any = block, state: Any = state) -> None:
                net.predict(net.consume(block, state, 0), net.block)

            def naive(block: Any = block, state: Any = state, slots: Any = slots) -> None:
                ahead = net.consume(block, state, 0)
                for slot in range(tokens):
                    ahead = net.consume(slots[:, slot : slot + 1], ahead, net.block + slot)

            yield compare(f"simulus: one imagined step, batch {batch}", limit, ours, naive)
        net = Trunk(10, 4, 64, tokens, 1, (4.0, 16.0), dropout=0.0)
        blocks = torch.randn(4, 10, net.block, 64)

        def real() -> None:
            state = net.initial(4)
            for at, block in enumerate(blocks.unbind(1)):
                state = net.consume(block, state, at * net.block)

        yield compare("simulus: POP's training forward", 2.3, lambda: net(blocks, net.initial(4)), real)


def dreaming() -> Iterator[Result]:
    """A step of World Models' dream, 64 candidates x 16 episodes in CarRacing's sizes, two threads: against its matrix
    products alone, and against one member after the other."""
    import torch

    from bench.agents.common.capture import Capture
    from bench.agents.world_models.controller import Controller
    from bench.agents.world_models.dream import Dream, Dreamer
    from bench.agents.world_models.mdn_rnn import MDNRNN
    from bench.benchmarks.products import Products

    torch.set_num_threads(2)
    torch.manual_seed(0)
    net, controller = MDNRNN(32, 3, 256, 5, end=True, reward="tiles"), Controller(32 + 256, 3)
    torch.nn.init.constant_(net.head.bias[:1], -9)  # nobody dies
    dreamer = Dreamer(net, controller, "zh", "racing", 0, "tiles", 1.0, Capture("cpu"))
    start = (torch.zeros(1, 32), torch.zeros(1, 32))
    with torch.no_grad():
        whole = Dream(dreamer, 0.1 * torch.randn(64, controller.size), start, 0, 1000, 16)
        alone = Dream(dreamer, whole.candidates[:1], start, 0, 1000, 1)
        with Products() as products:
            whole.step()
        yield compare("world_models: one dreamt step of 1,024", 4.0, whole.step, products.replay)

        def naive() -> None:
            for _ in range(64 * 16):
                alone.step()

        yield compare("world_models: the same, one by one", 1 / 8, whole.step, naive, turns=2)
        rate = products.flops / compare("", 1, products.replay, products.replay).ours
        once = compare("", 1, whole.step, products.replay).ours
        print(f"world_models: {products.flops / 1e9:.2f} GFLOP a dreamt step, its products at {rate / 1e9:.0f} GFLOP/s")
        print(f"world_models: 1000 such steps take {1000 * once:.1f} s")


def contrasting() -> Result:
    """An update of the contrastive Dreamer on 64x64 images against DreamerV1's, which draws them; one thread."""
    import torch

    torch.set_num_threads(1)
    task = Task("any", observed({"image": (64, 64, 3)}), spaces.Box(-1, 1, (6,), np.float32), 2, 50, False)
    rng, no = np.random.default_rng(0), np.zeros(1, bool)
    updates: list[Callable[[], Any]] = []
    for name in ("contrastive_dreamer", "dreamer_v1"):
        spec, sizes = agents.get(name), {"hidden": 200, "units": 200, "depth": 16, "batch": 10, "length": 20}
        agent: Any = agents.load(spec)(agents.resolve(spec, task, "paper", sizes, {}), task, 0, "cpu")
        for number in range(50):
            seen = {"image": rng.integers(256, size=(1, 64, 64, 3), dtype=np.uint8)}
            action, first, end = rng.uniform(-1, 1, (1, 6)).astype(np.float32), no | (number == 0), no | (number == 49)
            agent.observe(Step(seen, action, np.zeros(1, np.float32), seen, first, no, end, np.zeros(1, int), None))
        updates.append(partial(agent.update, agent.batch()))
    contrasts, draws = updates
    return compare("contrastive_dreamer: one update on images", 1.0, contrasts, draws, turns=5)


def telling_apart() -> Result:
    """InfoNCE of the paper's 2,500 candidates, of the 74 features that toys of vectors have, and its gradient; one
    thread: against two products, their difference and a logarithm of a sum."""
    import torch

    from bench.agents.common.representation import infonce, normal_scores

    torch.set_num_threads(1)
    chance = torch.Generator().manual_seed(0)
    state, mean = torch.randn(2, 2500, 74, generator=chance)
    deviation = torch.rand(2500, 74, generator=chance) + 1
    inputs = [part.requires_grad_() for part in (state, mean, deviation)]

    def plain() -> torch.Tensor:
        precision = deviation.square().reciprocal()
        fixed = (mean.square() * precision + 2 * deviation.log()).sum(-1)
        scores = -0.5 * (state.square() @ precision.T - 2 * state @ (mean * precision).T + fixed)
        return (scores.logsumexp(-1) - scores.diagonal()).mean()

    def ours() -> torch.Tensor:
        return infonce(normal_scores(state, mean, deviation), "over_obs")

    def learn(loss: Callable[[], torch.Tensor]) -> None:
        torch.autograd.grad(loss(), inputs)

    return compare("InfoNCE of 2,500 candidates, and gradient", 0.9, partial(learn, ours), partial(learn, plain))


def drawing() -> Result:
    """DreamerV3's 12M decoder from 4x4 to 64x64 and its gradient, 64 images, one thread: against enlarging each stage's
    pixels before its convolution."""
    import torch
    from torch import nn

    from bench.agents.dreamer.layers import DoublingConv
    from bench.agents.dreamer.networks import Decoder

    torch.set_num_threads(1)
    torch.manual_seed(0)
    task = Task("any", observed({"image": (64, 64, 3)}), spaces.Box(-1, 1, (6,), np.float32), 2, 50, False)
    config: Any = agents.resolve(agents.get("dreamer"), task, "paper", {}, {})
    ours, stages = Decoder(config, task).convolutions, list[nn.Module]()
    for layer in ours:
        if isinstance(layer, DoublingConv):
            plain = nn.Conv2d(layer.in_channels, layer.out_channels, 5, padding=2)
            plain.weight, plain.bias = layer.weight, layer.bias
            stages += [nn.Upsample(scale_factor=2), plain]
        else:
            stages.append(layer)
    small = torch.randn(64, 4 * config.depth, 4, 4).to(memory_format=torch.channels_last).requires_grad_()

    def draw(layers: nn.Module) -> None:
        torch.autograd.grad(layers(small).square().mean(), [small, *ours.parameters()])

    return compare(
        "dreamer: 64 images drawn, and gradient",
        0.9,
        partial(draw, ours),
        partial(draw, nn.Sequential(*stages)),
        turns=5,
    )


def main() -> None:
    start = time.perf_counter()
    replay, grown = fill()
    memory = max(grown, replay.nbytes)
    with tempfile.TemporaryDirectory() as folder:
        results = [sampling(replay), collecting(), logging(Path(folder)), saving(Path(folder)), *planning()]
        results += [*predicting(), *dreaming(), contrasting(), telling_apart(), drawing()]
    print(f"{'':<44}{'ours':>12}{'naive':>12}{'ratio':>8}{'limit':>8}")
    for r in results:
        print(f"{r.path:<44}{1e3 * r.ours:>9.4f} ms{1e3 * r.naive:>9.4f} ms{r.ratio:>8.2f}{r.limit:>8.2f}")
    print(f"replay: memory of {STEPS:,} images 64x64x3 {memory / 1e9:.3f} GB, limit {MEMORY_LIMIT / 1e9:.1f} GB")
    over = [result.path for result in results if result.ratio > result.limit]
    if results[0].ours > SAMPLE_LIMIT:
        over.append(f"replay: a batch takes {1e3 * results[0].ours:.1f} ms, limit {1e3 * SAMPLE_LIMIT:.0f} ms")
    if memory > MEMORY_LIMIT:
        over.append("replay: memory")
    print(f"{time.perf_counter() - start:.0f} s")
    if over:
        sys.exit("over the limit: " + "; ".join(over))


if __name__ == "__main__":
    main()
