# Needs python3 >= 3.11, pip and make; everything else is installed into .venv. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# A Python without ensurepip makes environments without pip: then the pip of PYTHON installs into them.
PIP = $$($(BIN)/python -c 'import pip' 2>/dev/null && echo $(BIN)/python -m pip || echo $(PYTHON) -m pip --python $(BIN)/python)
# One process a core; a file of tests on real servers stays in one process (tests/conftest.py).
PYTEST = $(BIN)/pytest -n logical --dist loadgroup

COMPILE = uv pip compile --quiet $(LOCK_OPTIONS) --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --extra build pyproject.toml

# The recorded pages of an earlier release are of 100 patients.
ALARM_PATIENTS ?= 100
ALARM_BASELINE = $(if $(filter 100,$(ALARM_PATIENTS)),--baseline docs/evidence/alarms_baseline.json.gz)

.DEFAULT_GOAL := help
.PHONY: help install run test test-all test-servers check lint mutants screenshots bench alarms release audit chaos chaos-containers chaos-sentinel chaos-hosts fuzz lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do \
		printf '%-16s %s\n' "$$name" "$$what"; done

install: $(VENV)/.installed ## the command `cartwatch` in .venv, from the lock file

run: install ## a look around: a replayed patient, the grades and the pages in output/
	$(BIN)/cartwatch demo --output output

test: $(VENV)/.installed-tests ## unit and behaviour, and one reading through a real Redis and worker: three minutes on two cores
	$(PYTEST) tests/unit tests/behaviour tests/smoke

test-all: test test-servers ## every test: also integration, chaos, attacks and the benchmarks' smoke tests

test-servers: $(VENV)/.installed-tests
	$(PYTEST) --ignore=tests/unit --ignore=tests/behaviour --ignore=tests/smoke

check: test-all lint audit ## every test, then linter, format, types, import contracts, and the known weaknesses of what is shipped

lint: $(VENV)/.installed-tests ## linter, format, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports --no-cache

mutants: $(VENV)/.installed-tests ## mutation testing of the graders, half an hour; the tool is installed for the run only
	@set -e; tool=$$(mktemp -d); trap 'rm -rf "$$tool"' EXIT; \
	$(PIP) install --quiet --target "$$tool" 'cosmic-ray>=8.7,<9'; PYTHONPATH="$$tool" $(BIN)/python benchmarks/mutants.py

screenshots: $(VENV)/.installed-tests ## the pictures of the clinicians' documents; needs chromium
	$(BIN)/python -m tests.support.screenshots docs/clinicians/screenshots

bench: $(VENV)/.installed-tests ## the benchmarks, ratios of one run on this machine
	$(BIN)/python benchmarks/run.py

chaos: $(VENV)/.installed-tests ## the long run that tries to lose a message: CHAOS_KILLS=200 CHAOS_MESSAGES=100000 by default
	$(BIN)/python -m tests.chaos

chaos-containers: $(VENV)/.installed-tests ## each container of the compose file killed, stopped, paused, cut off in turn; needs Docker, and root
	$(BIN)/python -m tests.chaos.containers

alarms: $(VENV)/.installed ## alarm quality from a seed: table, JSON and a page with plots in output/alarms; ALARM_PATIENTS=100
	$(BIN)/cartwatch simulate --patients $(ALARM_PATIENTS) --days 14 --seed 1 --output output/alarms
	$(BIN)/cartwatch evaluate output/alarms/cohort.ndjson.gz --truth output/alarms/truth.ndjson $(ALARM_BASELINE) \
		--json output/alarms/alarms.json --html output/alarms/alarms.html

chaos-sentinel: $(VENV)/.installed-tests ## failovers of a replicated store under load, with two copies and with one: CHAOS_KILLS=200 by default
	$(BIN)/python -m tests.chaos.sentinels

chaos-hosts: $(VENV)/.installed-tests ## the profile ha as three hosts, of which one is killed, frozen, cut off in turn; needs Docker, and root
	$(BIN)/python -m tests.chaos.hosts

release: $(VENV)/.installed-tests ## source distribution, wheel and software bill of materials (CycloneDX) in dist/
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	@set -e; tool=$$(mktemp -d); trap 'rm -rf "$$tool"' EXIT; \
	$(PYTHON) -m venv "$$tool"; "$$tool/bin/pip" install --quiet 'cyclonedx-bom>=7,<8'; \
	$(PYTHON) -m venv "$$tool/shipped"; "$$tool/shipped/bin/pip" install --quiet --require-hashes -r requirements.lock; \
	"$$tool/bin/cyclonedx-py" environment "$$tool/shipped/bin/python" --pyproject pyproject.toml --output-reproducible \
		--output-file dist/cartwatch.cdx.json

audit: ## known weaknesses of the locked dependencies; what the advisories cannot be asked for is listed
	@set -e; tool=$$(mktemp -d); trap 'rm -rf "$$tool"' EXIT; \
	$(PYTHON) -m venv "$$tool"; "$$tool/bin/pip" install --quiet 'pip-audit>=2.9,<3'; \
	"$$tool/bin/pip-audit" --disable-pip --no-deps --requirement requirements.lock 2>&1 | tee "$$tool/said"; \
	if grep -q 'could not be audited' "$$tool/said"; then echo 'NOT RUN: the advisories were not reached for these'; fi; \
	! grep -q 'known vulnerabilit.* in' "$$tool/said"

fuzz: $(VENV)/.installed-tests ## coverage-guided fuzzing of what reads bytes from outside; FUZZ_SECONDS=60 each by default
	$(PIP) install --quiet 'atheris>=3'
	$(BIN)/python -m tests.fuzz

lock: ## resolve the dependencies into both lock files; with LOCK_OPTIONS=--upgrade to the newest versions
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PYTHON) -m venv "$$tools"; "$$tools/bin/pip" install --quiet uv; PATH="$$tools/bin:$$PATH"; \
	$(COMPILE) --output-file requirements.lock; \
	$(COMPILE) --extra cds --extra ical --extra tracing --extra test --extra check --constraint requirements.lock --output-file tests/requirements.lock

clean: ## remove what was installed and generated; data/ stays
	rm -rf $(VENV) output dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'cartwatch needs Python 3.11 or newer, and `$(PYTHON)` is not that;' \
			'name another: make PYTHON=python3.12 $(or $(MAKECMDGOALS),install)' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || $(PYTHON) -m venv --clear --without-pip $(VENV)
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-tests: $(VENV)/.installed tests/requirements.lock
	$(PIP) install --require-hashes -r tests/requirements.lock
	@touch $@
