# The two commands of the README are `make run` and `make test`; CI calls the same targets.
.DEFAULT_GOAL := help
.PHONY: help setup browser run test check format lint types layers smoke clean

bin := .venv/bin
ifeq ($(strip $(ZEHN_DATA)),)
ZEHN_DATA := $(abspath $(firstword $(wildcard ../shared/data data)))
endif
ifneq ($(strip $(ZEHN_DATA)),)
export ZEHN_DATA
endif
ARGS ?=
OUT ?= runs/smoke

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | column -t -s '|'

setup: ## .venv with every version pinned
	@scripts/setup.sh

browser: ## a Chromium for the tests of the page, where there is none and apt can bring it
	@command -v chromium >/dev/null || { apt-get update -qq; apt-get install -y -qq chromium; } >/dev/null

run: setup ## data, training, sanity checks, querying and the report (ARGS="--preset smoke")
	@$(bin)/zehn run $(ARGS)

test: setup ## the tests, documentation examples among them
	@OMP_NUM_THREADS=1 $(bin)/pytest -n auto --dist loadfile $(ARGS)

check: setup lint types layers test ## all that has to be green before a commit

format: setup ## format and repair what can be repaired
	@$(bin)/ruff format .
	@$(bin)/ruff check --fix .

lint: setup
	@$(bin)/ruff format --check .
	@$(bin)/ruff check .

types: setup
	@$(bin)/mypy

layers: setup
	@$(bin)/lint-imports

smoke: setup ## the whole pipeline, small, on the real data
	@$(bin)/zehn run --preset smoke --out $(OUT) $(ARGS)

clean: ## remove what builds and tests leave behind (not runs/, not data/)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
