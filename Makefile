# SPDX-License-Identifier: Apache-2.0
.DEFAULT_GOAL := help
BIN := .venv/bin
GOAL ?= reach the red moon
SEED ?= 6000

.PHONY: help setup demo test slow-test lint clean

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

lint: setup ## Lint, types and spelling only
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell

clean: ## Remove what builds and checks leave behind, .venv included
	rm -rf .venv build install log out .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info swm_msgs/build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
