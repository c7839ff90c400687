# SPDX-License-Identifier: Apache-2.0
.DEFAULT_GOAL := help
BIN := .venv/bin
GOAL ?= reach the red moon
SEED ?= 6000

SECONDS_OF_CHAOS ?= 600
SECONDS_OF_SOAK ?= 3600
FUZZ_INPUTS ?= 23000

.PHONY: help setup demo test slow-test fuzz chaos soak audit lint docs clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv with everything needed (quick when nothing changed)
	@scripts/setup.sh

demo: setup ## Run the stack: goal in by topic, arm moves; film and plot in out/demo (GOAL="push red moon to green star")
	$(BIN)/swm-sim langtable --demo --seed $(SEED) --goal "$(GOAL)" --out out/demo

test: lint ## All checks: lint, types, spelling, house rules, tests
	$(BIN)/pytest -m "not slow"

slow-test: setup ## The tests that take minutes
	$(BIN)/pytest -m slow

fuzz: setup ## Goals, images, settings and model files at random: 100,000 in all (FUZZ_INPUTS for each of the larger tests)
	SWM_FUZZ_EXAMPLES=$(FUZZ_INPUTS) $(BIN)/pytest --timeout 0 tests/test_fuzz.py

chaos: setup ## Random faults for ten minutes, then a goal must be reached (SECONDS_OF_CHAOS, SEED)
	$(BIN)/python -m swm_ros.chaos --seconds $(SECONDS_OF_CHAOS) --seed $(SEED) --json out/chaos.json

soak: setup ## An hour of goals in real time: rhythm, memory, warnings (SECONDS_OF_SOAK)
	$(BIN)/python -m swm_ros.soak --seconds $(SECONDS_OF_SOAK) --json out/soak.json

audit: setup ## Known vulnerabilities of the pinned dependencies, by pip-audit, which asks pypi.org
	test -x .venv/audit/bin/pip-audit || { $(BIN)/python -m venv .venv/audit && .venv/audit/bin/pip install -q pip-audit; }
	.venv/audit/bin/pip-audit --strict --no-deps --disable-pip -r requirements/constraints.txt

lint: setup ## Lint, types and spelling only
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell

docs: setup ## Build the documentation site into site/
	$(BIN)/mkdocs build --strict

clean: ## Remove what builds and checks leave behind, .venv included
	rm -rf .venv build install log out site .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info swm_msgs/build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
