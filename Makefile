# Quietline. `make demo` and `make test` do everything a fresh Debian 12 needs, as root or with sudo.
SHELL := /bin/bash
VENV := $(shell deploy/venv-path.sh)
PY := $(VENV)/bin/python
ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: help setup demo test lint unit up down bench soak lock clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

setup:  ## install what is missing: Debian packages, users, Python environment, softphone bundle
	@deploy/setup.sh "$(VENV)"

demo: setup  ## one real call with every safeguard on, checked
	@$(ROOT) $(VENV)/bin/quietline demo

up: setup  ## keep the product running with sample data
	@$(ROOT) $(VENV)/bin/quietline up --sample

down: setup  ## stop it
	@$(ROOT) $(VENV)/bin/quietline down --sample

test: setup lint  ## every test, on real parts
	@$(ROOT) tests/lanes.sh $(PY)

lint: setup  ## format, lint, types, import rules
	@$(VENV)/bin/ruff format --check -q .
	@$(VENV)/bin/ruff check -q .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --config pyproject.toml --no-logo >/dev/null || $(VENV)/bin/lint-imports --config pyproject.toml

unit: setup  ## the quick tests only
	@$(PY) -m pytest tests/unit tests/property tests/contract tests/vectors tests/sip tests/house

bench: setup  ## tables of figures, side by side with a peer or the limit
	@$(ROOT) $(PY) -m bench

soak: setup  ## the slow ones: storms, kills, long runs
	@env QUIETLINE_SOAK=1 $(PY) -m pytest tests/property
	@$(ROOT) env QUIETLINE_SOAK=1 $(PY) -m pytest -m soak --timeout 1800

lock:  ## compile the lock files anew
	@$(VENV)/bin/uv pip compile -q --no-emit-index-url --no-header --generate-hashes pyproject.toml -o requirements/runtime.txt
	@$(VENV)/bin/uv pip compile -q --no-emit-index-url --no-header --generate-hashes --extra testing --extra dev pyproject.toml -o requirements/dev.txt

clean:  ## remove what was built here
	@rm -rf .venv node_modules out build src/quietline/web/static/bundle
