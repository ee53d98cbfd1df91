"""`python -m bench` equals `bench`."""

from bench.benchmarks.cli.main import main

main()
