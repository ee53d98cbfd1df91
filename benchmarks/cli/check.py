"""`bench check`: the conformance tests on any agent."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.benchmarks.errors import RequestError


def check(agent: Annotated[str, typer.Argument(help="An agent, with an optional :variant.")]) -> None:
    """Test that an agent keeps the contract: alignment, resume, determinism, evaluation apart from training.

    [dim]bench check decqn[/dim]

    [dim]bench check my_agent:my_variant[/dim]
    """
    from bench.agents import registry

    try:
        registry.parse(agent)
    except (registry.UnknownAgent, registry.ConfigError) as error:
        raise RequestError(str(error)) from error
    except registry.BrokenAgent as error:
        print(error)
        raise typer.Exit(1) from error
    from bench.agents import conformance

    failed = 0
    for result in conformance.run(agent, None):
        failed += not result.ok
        print(
            f"{'ok  ' if result.ok else 'FAIL'} {result.name} ({result.seconds:.1f} s)"
            + (f": {result.reason}" if result.reason else "")
        )
    print(f"{agent}: " + (f"{failed} checks failed" if failed else "keeps the contract"))
    raise typer.Exit(1 if failed else 0)
