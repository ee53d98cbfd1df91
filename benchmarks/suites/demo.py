"""What `make demo` runs: one toy to learn, one game and one control task to see that everything is wired."""

from bench.benchmarks.suites import atari100k, dmc, toy
from bench.results.schema import Suite

_TASKS = {"toy/reach": toy.suite, "atari/pong": atari100k.suite, "dmc-state/cartpole_swingup": dmc.suite}

suite = Suite(
    name="demo",
    measures="That this installation works: learning on a toy, and wiring on Atari and dm_control.",
    source="one task each of the suites toy, atari100k and dmc, with their budgets",
    citation="see the suites toy, atari100k and dmc",
    tasks=tuple(_TASKS),
    budgets=toy.suite.budgets,
    task_budgets={task: origin.budgets for task, origin in _TASKS.items()},
    references={task: origin.references[task] for task, origin in _TASKS.items()},
    reference_names=("low", "high"),
    published=("DreamerV3 (2024 release)", "Simulus", "TD-MPC2", "DC-MPC"),
)
