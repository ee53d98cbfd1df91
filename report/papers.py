"""The papers' tables that published and measured scores are set into. `bench list papers` shows them.

Columns name agents of results/published by their exact label. A table quotes scores under the rules its sources state;
our runs are scored by the rule of the paper's own agent, and a difference is taken with that column alone.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Column:
    """One published agent under one rule."""

    label: str  # exactly as `results.published.label` writes it
    rule: str
    head: str = ""  # what stands above it where that is not the label
    group: str = ""  # the best is marked among columns of one group

    @property
    def name(self) -> str:
        return self.head or self.label


@dataclass(frozen=True)
class Paper:
    """One table. `pairs` are (our rule, the paper's own column under the rule it is compared with)."""

    name: str  # "simulus/atari100k"
    title: str
    source: str
    suite: str  # whose tasks, budget and protocol a reproduction takes
    agent: str  # ours that reproduces it, agent[:variant]
    columns: tuple[Column, ...]
    pairs: tuple[tuple[str, Column], ...]
    layout: Literal["tasks", "agents"] = "tasks"  # what a row is
    human: bool = False  # aggregates over human-normalised scores, else over raw returns
    tasks: tuple[str, ...] = ()  # fewer than the suite's
    frames: str = ""  # training frames that our rules need, where they are not the suite's
    also: tuple[tuple[str, str], ...] = ()  # (head, rule) of further columns in the layout "agents"
    notes: tuple[str, ...] = ()  # what is peculiar about the published numbers
    remains: tuple[str, ...] = ()  # known differences between the source's protocol and ours


def get(name: str) -> Paper:
    """LookupError with the nearest names for what is not there."""
    if name in PAPERS:
        return PAPERS[name]
    near = difflib.get_close_matches(name, PAPERS, n=2, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise LookupError(f"unknown table {name!r}.{hint} Known: {', '.join(PAPERS)}. List them: bench list papers")


def _last(*labels: str) -> tuple[Column, ...]:
    return tuple(Column(label, "evaluation@last") for label in labels)


_V3_ATARI = Column("DreamerV3 (2024 release)", "training@390k-400k/last", "DreamerV3 (2024, last episodes)")
_V3_ATARI_WINDOW = Column("DreamerV3 (2024 release)", "training@390k-400k", "DreamerV3 (2024, 390k-400k)")
_V3_VISION = Column("DreamerV3 (2024 release)", "training@960k-1M", "DreamerV3")
_V3_PROPRIO = Column("DreamerV3 (2023 release)", "training@470k-490k", "DreamerV3")
_SIMULUS = Column("Simulus", "evaluation@last")
_WM_CAR = Column("World Models", "evaluation@last", "World Models (full)")
_WM_DOOM = Column("World Models (dream, temperature 1.15)", "evaluation@last", "temperature 1.15")
_V1 = Column("DreamerV1", "evaluation@1005k", "Dreamer at 1.0M", "1M")


def _at(label: str, frames: str, name: str = "") -> Column:
    return Column(label, f"evaluation@{frames}", f"{name or label} {frames}", frames)


_ATARI_ENDS = (
    "Simulus's authors play 100 evaluation episodes in batches of 8; whether an episode cut at 108,000 frames goes on "
    "into the next one differs from ours."
)
_WINDOWS = (
    "DreamerV3 (2024 release) has no evaluation phase. `390k-400k`: the mean of the training episodes that ended in "
    "that window, over the 122 of 130 seeds with one, as in the paper's own mean 1.247 and median 0.494. `last "
    "episodes`: the other 8 seeds enter by their last episode, so that all 130 runs count."
)
_DMC = (
    Column("SAC (TD-MPC2 rerun)", "", "SAC"),
    Column("DreamerV3 (TD-MPC2 rerun)", "", "DreamerV3"),
    Column("TD-MPC", ""),
    Column("TD-MPC2", ""),
    Column("DC-MPC", ""),
)
_DMC_COLUMNS = tuple(_at(one.label, frames, one.name) for frames in ("500k", "1M") for one in _DMC)
_DMC_NOTES = (
    "SAC and DreamerV3 are runs of TD-MPC2's authors.",
    "DreamerV3 has no point at 1M frames on dog_run and humanoid_stand, so no mean over the 28 tasks.",
    "Means over three runs; DC-MPC's over five.",
)
_ABLATED = tuple(
    f"dmc-state/{name}"
    for name in (
        "acrobot_swingup",
        "dog_run",
        "dog_stand",
        "dog_trot",
        "dog_walk",
        "humanoid_run",
        "humanoid_stand",
        "humanoid_walk",
        "reacher_hard",
        "walker_walk",
    )
)
_ALL = (
    Paper(
        name="simulus/atari100k",
        title="Atari 100k: raw scores, human-normalised aggregates",
        source="Simulus, arXiv:2502.11537; single seeds as its repository and the others' release them",
        suite="atari100k",
        agent="simulus",
        columns=(
            *_last("TWM", "IRIS", "STORM", "delta-IRIS", "DIAMOND", "REM"),
            _V3_ATARI,
            _V3_ATARI_WINDOW,
            _SIMULUS,
        ),
        pairs=(("evaluation@last", _SIMULUS),),
        human=True,
        notes=(_WINDOWS,),
        remains=(_ATARI_ENDS,),
    ),
    Paper(
        name="dreamerv3/atari100k",
        title="Atari 100k: raw scores, human-normalised aggregates",
        source="Hafner et al. 2024, arXiv:2301.04104v2, Table 9",
        suite="atari100k",
        agent="dreamer",
        columns=(
            Column("PPO (DreamerV3 run)", "training@390k-400k", "PPO"),
            *_last("SimPLe", "SPR", "TWM", "IRIS"),
            _V3_ATARI,
            _V3_ATARI_WINDOW,
        ),
        pairs=(("training@390k-400k", _V3_ATARI_WINDOW), ("training@390k-400k/last", _V3_ATARI)),
        human=True,
        notes=(_WINDOWS, "SPR: 100 runs a game."),
    ),
    Paper(
        name="dreamerv3/dmc-vision",
        title="dm_control from images at 1M frames: returns",
        source="Hafner et al. 2024, arXiv:2301.04104v2, Table 12",
        suite="dmc-vision",
        agent="dreamer",
        columns=(
            Column("PPO (DreamerV3 run)", "training@960k-1M", "PPO"),
            Column("SAC (pixels)", "evaluation@960k-1M", "SAC"),
            Column("CURL", "evaluation@960k-1M"),
            Column("DrQ-v2", "evaluation@960k-1M"),
            _V3_VISION,
        ),
        pairs=(("training@960k-1M", _V3_VISION),),
        notes=("The paper prints the labels of its mean and median rows swapped: mean 786, median 861.",),
        remains=("The released file has 8 to 10 seeds a task; the paper says 5.",),
    ),
    Paper(
        name="dreamerv3/dmc-proprio",
        title="dm_control from states at 500k frames: returns",
        source="Hafner et al. 2024, arXiv:2301.04104v2, Table 11",
        suite="dmc-proprio",
        agent="dreamer",
        columns=(
            Column("PPO (DreamerV3 run)", "training@470k-500k", "PPO"),
            *(Column(f"{name} (DreamerV3 file)", "unstated@470k-500k", name) for name in ("DDPG", "DMPO", "D4PG")),
            _V3_PROPRIO,
        ),
        pairs=(("training@470k-490k", _V3_PROPRIO),),
        notes=(
            "Whether DDPG, DMPO and D4PG are training or evaluation episodes is not stated.",
            "The paper prints the labels of its mean and median rows swapped: mean 754, median 871.",
        ),
        remains=("The published runs are the 2023 release's algorithm, ours is the 2024 one.",),
    ),
    Paper(
        name="tdmpc2/dmc",
        title="dm_control, 28 tasks from states: returns at 500k and 1M frames",
        source="Hansen et al. 2024, TD-MPC2, arXiv:2310.16828; its repository's results",
        suite="dmc",
        agent="tdmpc2",
        columns=_DMC_COLUMNS,
        frames="1M",
        pairs=(("evaluation@500k", _at("TD-MPC2", "500k")), ("evaluation@1M", _at("TD-MPC2", "1M"))),
        notes=(*_DMC_NOTES, "DC-MPC is later than the paper and stands beside it."),
        remains=(
            "The published evaluations are 10 episodes in the training environment, ours in one of their own.",
            "The paper's 11 tasks of its own making are left out.",
        ),
    ),
    Paper(
        name="dcmpc/dmc",
        title="dm_control, 28 tasks from states: returns at 500k and 1M frames",
        source="Scannell et al. 2025, arXiv:2503.00653; its repository's table of scores (its binned curves differ)",
        suite="dmc",
        agent="dcmpc",
        columns=_DMC_COLUMNS,
        frames="1M",
        pairs=(("evaluation@500k", _at("DC-MPC", "500k")), ("evaluation@1M", _at("DC-MPC", "1M"))),
        notes=_DMC_NOTES,
        remains=("The published evaluations are 10 episodes played at once, every 25 training episodes.",),
    ),
    Paper(
        name="dcmpc/ablations",
        title="DC-MPC's ablations: returns at 1M frames",
        source="Scannell et al. 2025, DC-MPC, arXiv:2503.00653; its repository's table of scores",
        suite="dmc",
        agent="dcmpc",
        columns=(),  # every published variant of DC-MPC, found in the data
        frames="1M",
        pairs=(("evaluation@1M", Column("DC-MPC", "evaluation@1M")),),
        layout="agents",
        tasks=_ABLATED,
        notes=("A variant has one to five runs a task. The mean is over the tasks that all variants have.",),
    ),
    Paper(
        name="world_models/carracing",
        title="CarRacing: return over 100 tracks (± deviation over episodes)",
        source="Ha and Schmidhuber 2018, World Models; worldmodels.github.io",
        suite="carracing",
        agent="world_models",
        columns=(
            *_last("DQN", "A3C (continuous)", "A3C (discrete)", "Gym leaderboard (ceobillionaire)"),
            Column("World Models (z only)", "evaluation@last"),
            Column("World Models (z and hidden layer)", "evaluation@last"),
            _WM_CAR,
        ),
        pairs=(("evaluation@last", _WM_CAR),),
        layout="agents",
        notes=("One training seed each: ± is over the episodes of one evaluation.",),
        remains=("Published on CarRacing-v0, ours is CarRacing-v3, where leaving the field costs 100.",),
    ),
    Paper(
        name="world_models/takecover",
        title="Take Cover: steps survived, inside the dream and in the game (± deviation over episodes)",
        source="Ha and Schmidhuber 2018, World Models; worldmodels.github.io",
        suite="takecover",
        agent="world_models",
        columns=(
            *(
                Column(f"World Models (dream, temperature {t})", "evaluation@last", f"temperature {t}")
                for t in ("0.10", "0.50", "1.00", "1.15", "1.30")
            ),
            Column("random", "reference", "random policy"),
            *_last("Gym leaderboard"),
        ),
        pairs=(("evaluation@last", _WM_DOOM),),
        layout="agents",
        also=(("inside the dream", "dream@last"),),
        notes=("One training seed each: ± is over the episodes of one evaluation.",),
        remains=(
            "Published on DoomTakeCover-v0, whose difficulty a reproducer found not to be ViZDoom's default: context, "
            "not a target.",
        ),
    ),
    Paper(
        name="dreamer_v1/dmc-vision",
        title="dm_control from images: returns",
        source="Hafner et al. 2020, Dreamer, arXiv:1912.01603v3; its repository's scores",
        suite="dmc-vision",
        agent="dreamer_v1",
        columns=(
            Column("A3C (states, 100M frames)", "unstated@100M", "A3C (states) 100M", "100M"),
            Column("D4PG (pixels, 100M frames)", "unstated@100M", "D4PG 100M", "100M"),
            Column("PlaNet", "evaluation@1M", "PlaNet 1M", "1M"),
            _V1,
            Column("DreamerV1", "evaluation@1905k-2005k", "Dreamer at 2.0M", "2M"),
            Column("DreamerV1", "evaluation@4805k-4905k", "Dreamer at 4.9M", "5M"),
        ),
        pairs=(("evaluation@1M", _V1),),
        notes=(
            "The released scores come from older hyperparameters than the code: 810 at 4.9M, in the paper 823 at 5M.",
            "PlaNet: the 6 tasks of its own paper.",
            "Whether A3C and D4PG are training or evaluation episodes is not stated.",
        ),
        remains=("Published: one evaluation episode every 10,000 frames, the point at 1,005,000; ours at 1,000,000.",),
    ),
)
PAPERS = {paper.name: paper for paper in _ALL}
