"""Named diffs of the configuration, what each kind of task needs, and what the smaller scales change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Diff = Mapping[str, Any]

_TAKE_COVER: Diff = {
    "exploration": "hold",
    "data_steps": 2100,
    "data_least": 101,
    "latent": 64,
    "hidden": 512,
    "m_length": 500,
    "m_updates": 24_400,
    "m_rate_decay": 0.99999,
    "end": True,
    "reward": "alive",
    "sees": "zch",
    "bias": False,
    "actions": "thirds",
    "fitness": "dream",
    "horizon": 2100,
}
_RACING: Diff = {"actions": "racing", "sees": "zh", "fitness": "real", "reward": "none", "end": False}

VARIANTS: Mapping[str, Diff] = {
    # the two published experiments
    "carracing_real": _RACING,
    "takecover_dream": _TAKE_COVER,
    # ours: a dream with a reward head, which the article asks for and does not have
    "carracing_dream": {**_RACING, "fitness": "dream", "reward": "tiles", "end": True},
    # ablations
    "untrained_m": {"m_updates": 0},
    "z_only": {"sees": "z"},
    "z_hidden": {"sees": "z", "units": 40},
    "full_covariance": {"covariance": "full"},
}

# What tasks other than the two published ones have in common: our extension, rated in dreams with a linear reward head.
_OTHERS: Diff = {"exploration": "hold", "actions": "box", "fitness": "dream", "reward": "linear"}

# By kind of task; the defaults are CarRacing's.
KINDS: Mapping[str, Diff] = {
    "carracing": {},
    "takecover": _TAKE_COVER,
    "image": _OTHERS,
    "vector": {
        **_OTHERS,
        "data_episodes": 1000,
        "latent": 16,
        "v_weight": 1000.0,
        "v_rate": 1e-3,
        "act_on": "mean",
        "m_length": 250,
        "sigma": 0.5,
    },
}

SCALES: Mapping[str, Mapping[str, Diff]] = {
    "paper": {kind: {} for kind in KINDS},
    "small": {
        "carracing": {
            "data_episodes": 100,
            "v_epochs": 2,
            "m_batch": 32,
            "m_length": 250,
            "m_updates": 600,
            "population": 16,
            "rollouts": 2,
            "generations": 40,
            "patience": 20,
            "collection.envs": 8,
        },
        "takecover": {
            "data_episodes": 500,
            "v_epochs": 2,
            "m_batch": 32,
            "m_length": 250,
            "m_updates": 600,
            "population": 32,
            "rollouts": 4,
            "generations": 30,
        },
        "image": {
            "data_episodes": 100,
            "v_epochs": 2,
            "m_batch": 32,
            "m_length": 50,
            "m_updates": 600,
            "population": 32,
            "generations": 100,
            "collection.envs": 8,
        },
        "vector": {
            "data_episodes": 200,
            "hidden": 128,
            "m_batch": 32,
            "m_length": 100,
            "m_updates": 2000,
            "population": 32,
            "generations": 100,
            "collection.envs": 8,
        },
    },
    "tiny": {
        "carracing": {
            "data_episodes": 4,
            "data_steps": 200,
            "v_batch": 32,
            "v_epochs": 1,
            "v_rate": 1e-3,
            "hidden": 64,
            "m_batch": 4,
            "m_length": 100,
            "m_updates": 20,
            "population": 4,
            "rollouts": 1,
            "generations": 20,
            "patience": 20,
            "horizon": 200,
        },
        "takecover": {
            "data_episodes": 5,
            "data_least": 1,
            "v_batch": 32,
            "v_epochs": 1,
            "v_rate": 1e-3,
            "hidden": 64,
            "m_batch": 8,
            "m_length": 100,
            "m_updates": 20,
            "population": 8,
            "rollouts": 2,
            "generations": 4,
            "gap_rollouts": 1,
            "horizon": 200,
        },
        "image": {
            "data_episodes": 80,
            "v_batch": 32,
            "v_epochs": 1,
            "v_rate": 1e-3,
            "hidden": 64,
            "m_batch": 16,
            "m_length": 40,
            "m_updates": 400,
            "m_rate": 3e-3,
            "population": 32,
            "generations": 30,
            "gap_rollouts": 2,
            "sigma": 0.5,
            "collection.envs": 8,
        },
        "vector": {
            "data_episodes": 200,
            "latent": 6,
            "v_batch": 50,
            "v_rate": 3e-3,
            "hidden": 64,
            "m_batch": 32,
            "m_length": 25,
            "m_updates": 2500,
            "m_rate": 5e-3,
            "m_rate_decay": 0.999,
            "generations": 80,
            "collection.envs": 8,
        },
    },
}
