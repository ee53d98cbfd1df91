# Two commands from a bare clone: `make demo` and `make test`. PYTHON names the interpreter the environment is made with.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test lint solve bench clean

setup: $(READY)

$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "bench needs Python 3.11 or newer, and '$(PYTHON)' is older or missing. Try: make setup PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	mkdir -p .link && ln -sfn .. .link/bench
	@touch $@

demo: setup
	$(BIN)/bench run --agents dreamer,random --suite demo --scale tiny --seeds 3 --frames 6000

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

solve: setup
	$(BIN)/python -m pytest -m slow
	$(BIN)/python -m bench.benchmarks.solve
	$(BIN)/python -m bench.benchmarks.solve dreamer toy/reach --scale small
	$(BIN)/python -m bench.benchmarks.solve dreamer toy/maze --scale small
	$(BIN)/python -m bench.benchmarks.solve dreamer toy/pixel-reach --scale small
	$(BIN)/python -m bench.benchmarks.solve contrastive_dreamer:v3 toy/pixel-reach --scale small
	$(BIN)/python -m bench.benchmarks.solve dreamer:norepresentation toy/pixel-reach --scale small
	$(BIN)/python -m bench.benchmarks.solve dreamer_v1 toy/reach --scale small
	$(BIN)/python -m bench.benchmarks.solve contrastive_dreamer toy/reach --scale small
	$(BIN)/python -m bench.benchmarks.solve dreamer_v2 toy/reach --scale small
	$(BIN)/python -m bench.benchmarks.solve decqn toy/pixel-reach --scale small
	$(BIN)/python -m bench.benchmarks.solve tdmpc2 toy/pixel-reach --scale small

bench: setup
	$(BIN)/python -m bench.benchmarks.hot_paths

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
