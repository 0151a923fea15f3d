# Everything runs in .venv, made by the first target that needs it. `make help` lists the rest.
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
SWARM := $(VENV)/bin/swarm
SECONDS_ARG = $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS),)
# bash owns a variable called SECONDS: take what was given to make, and pass nothing on.
DEMO_SECONDS := $(SECONDS)
unexport SECONDS
# Packages are installed without byte code, which is made as they are first imported, and has to be kept.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick lint types sim bench bench-peers soak clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.installed ## Make .venv and install the locked packages (about two minutes)

$(VENV)/.installed: pyproject.toml constraints.txt
	@bash deploy/setup.sh $(VENV)
	@touch $@

demo: setup ## Run the three-region swarm on paper; SECONDS=60 ends it by itself
	@$(SWARM) up $(SECONDS_ARG)

test: setup ## Run everything that must hold: lint, types, tests, coverage (under 15 minutes)
	@bash deploy/check.sh $(VENV)

quick: setup ## Run the tests without the end-to-end ones
	@$(PY) -m pytest -n 2 -m "not end_to_end and not soak"

lint: setup ## Check style and format
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

types: setup ## Check types, strictly
	@$(VENV)/bin/mypy .

sim: setup ## Simulate ten minutes of the swarm in virtual time; SEED=1 MINUTES=10
	@$(SWARM) sim --seed $(or $(SEED),1) --minutes $(or $(MINUTES),10)

bench: setup ## Run every benchmark and print the table of docs/performance.md
	@$(PY) -m benchmarks --markdown

bench-peers: setup ## Set up the peers that live in environments of their own
	@bash benchmarks/peers.sh

soak: setup ## Shoot at the running swarm for ten minutes
	@$(PY) -m pytest -m soak

clean: ## Remove what was built; the swarm's state in .swarm stays
	@rm -rf $(VENV) .venv-peers build *.egg-info .coverage* .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
