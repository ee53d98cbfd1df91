"""`bench`: one file per verb in this folder. Importing them imports nothing heavy."""

from __future__ import annotations

import sys

import typer

from bench.benchmarks.cli import (
    check,
    clean,
    doctor,
    evaluate,
    export,
    list_,
    plan,
    plot,
    report,
    reproduce,
    run,
    run_one,
    show,
    status,
    table,
    throughput,
)
from bench.benchmarks.errors import RequestError

app = typer.Typer(
    name="bench",
    help="Comparative benchmarks of world-model agents: train, resume, score, compare.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for name, verb in (
    ("run", run.run),
    ("plan", plan.plan),
    ("run-one", run_one.run_one),
    ("list", list_.list_),
    ("show", show.show),
    ("status", status.status),
    ("evaluate", evaluate.evaluate),
    ("report", report.report),
    ("plot", plot.plot),
    ("table", table.table),
    ("reproduce", reproduce.reproduce),
    ("check", check.check),
    ("doctor", doctor.doctor),
    ("throughput", throughput.throughput),
    ("export", export.export),
    ("clean", clean.clean),
):
    app.command(name)(verb)


def main() -> None:
    """The console script: a user's mistake is a sentence and exit status 2, never a traceback."""
    try:
        app(standalone_mode=True)
    except RequestError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
