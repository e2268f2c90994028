# Every target sets up what it needs in a virtual environment of its own.
PYTHON ?= python3
TORCH  ?=
TIME   ?= 100
BENCH  ?= bench/
WORKERS ?= auto

ifeq ($(TORCH),)
VENV := .venv
PIN  := -c constraints.txt
else
VENV := .venv-torch$(TORCH)
PIN  := torch==$(TORCH)
endif

# What an old torch works with: before 2.3 it was built against numpy 1, and transformers 5 takes 2.6 and later.
ifneq ($(filter 2.0.% 2.1.% 2.2.%,$(TORCH)),)
PIN += 'numpy<2' transformers==4.41.2
else ifneq ($(filter 2.3.% 2.4.% 2.5.%,$(TORCH)),)
PIN += transformers==4.46.3
endif

BIN     := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help bench tables quick test test-slow golden lint types site check clean

help:
	@echo "make bench       set up, then measure; tables go to results/latest (TIME=seconds, TORCH=version)"
	@echo "make tables      the same, but renew the committed tables in results/tables"
	@echo "make quick       set up, then run the tests that start no process and train nothing (WORKERS=processes)"
	@echo "make test        set up, then run the fast tests"
	@echo "make test-slow   set up, then run the slow tests: real models, oracles, a browser"
	@echo "make golden      renew the golden reports, and show what changed in them"
	@echo "make lint types  ruff; mypy --strict"
	@echo "make site        set up, then build the documents as pages, in build/site"
	@echo "make check       what CI runs"

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade pip
	$(INSTALL) $(PIN) --editable '.[hf,claims]' --group dev
	touch $@

MEASURE := $(BIN)/python -m pytest $(BENCH) --benchmark-only -q --harness-time $(TIME) --benchmark-quiet

bench: $(VENV)/installed
	$(MEASURE) --harness-results results/latest

tables: $(VENV)/installed
	$(MEASURE) --harness-results results

# A worker a core; one that has nothing left takes over half of what another has.
# What is compiled is kept, whatever the shell says: tests start Python, and sessions of pytest, many times.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

quick: $(VENV)/installed
	$(PYTEST) -m "not slow and not process"

test: $(VENV)/installed
	$(PYTEST) -m "not slow"

golden: $(VENV)/installed
	GOLDEN=renew $(BIN)/python -m pytest -q tests/report/test_golden_reports.py
	git --no-pager diff --stat -p -- tests/golden

test-slow: $(VENV)/installed
	$(PYTEST) -m slow

lint: $(VENV)/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/zizmor --offline --no-progress --quiet .github action.yml docs/examples/regression.yml
	! test -x $(BIN)/actionlint || $(BIN)/actionlint .github/workflows/*.yml docs/examples/regression.yml

types: $(VENV)/installed
	$(BIN)/mypy

site: $(VENV)/installed
	$(BIN)/sphinx-build -W --keep-going -q -c docs/sphinx -d build/doctrees . build/site

check:
	bash .ci/run

clean:
	rm -rf build $(VENV) .venv-torch* .tox .pytest_cache .mypy_cache .ruff_cache .hypothesis
