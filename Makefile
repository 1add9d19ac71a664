# The two commands of the README are `make run` and `make test`; CI calls the same targets.
.DEFAULT_GOAL := help
.PHONY: help setup browser run test check format lint types layers smoke bench fuzz docs docs-commands docs-licences docs-figures public-names wheel sbom audit clean

bin := .venv/bin
ifeq ($(strip $(ZEHN_DATA)),)
ZEHN_DATA := $(abspath $(firstword $(wildcard ../shared/data data)))
endif
ifneq ($(strip $(ZEHN_DATA)),)
export ZEHN_DATA
endif
ARGS ?=
OUT ?= runs/smoke
RUN ?= runs/cifar10-robust

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

docs: setup ## the documentation as a site in site/, strict, offline: open site/index.html
	@NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build --quiet
	@echo "docs: site/index.html"

docs-commands: setup ## docs/reference/ anew: commands.md, settings.md, names.md; and the picture of the data's way
	@$(bin)/python scripts/commands.py
	@$(bin)/python scripts/settings.py
	@$(bin)/python scripts/way.py

docs-licences: setup ## docs/reference/licences.md anew, from the packages' metadata
	@$(bin)/python scripts/licences.py

public-names: setup ## tests/public_names.txt anew: public names and signatures, after a change that is meant
	@$(bin)/python scripts/public_names.py

docs-figures: setup ## the tutorials' figures anew, from a run (RUN=runs/cifar10-robust)
	@$(bin)/python scripts/figures.py $(RUN)

wheel: setup ## dist/*.whl: build the wheel, install it into an empty environment, try it there
	@PYTHON=$(abspath $(bin))/python scripts/wheel_smoke.sh

sbom: setup ## sbom.json: every installed package with version and licence (CycloneDX)
	@$(bin)/cyclonedx-py environment --pyproject pyproject.toml --of JSON -o sbom.json $(bin)/python
	@echo "sbom: sbom.json"

audit: setup ## known vulnerabilities of the pinned versions, by pip-audit; needs the network
	@scripts/audit.sh

bench: setup ## Zehn beside its peers, by turns: docs/benchmarks.md (about 45 minutes; ARGS="search --sizes 60000")
	@benchmarks/bench/peers.sh
	@$(bin)/python -m benchmarks.bench $(ARGS)

fuzz: setup ## damaged files for every reader of outside bytes (ten minutes of a processor each; ARGS="images --minutes 1")
	@fuzz/setup.sh
	@$(bin)/python -m fuzz $(ARGS)

clean: ## remove what builds and tests leave behind (not runs/, not data/)
	@rm -rf .venv .venv-fuzz .venv-peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist site sbom.json
