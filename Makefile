# Every target sets up what it needs in a virtual environment of its own.
PYTHON ?= python3
TORCH  ?=
BUDGET ?= 0.5
BENCH  ?= bench/

ifeq ($(TORCH),)
VENV := .venv
PIN  := -c constraints.txt
else
VENV := .venv-torch$(TORCH)
PIN  := torch==$(TORCH)
endif

BIN     := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help bench test test-slow lint types check clean

help:
	@echo "make bench       set up, then measure; tables go to results/tables (BUDGET=seconds an arm, TORCH=version)"
	@echo "make test        set up, then run the fast tests"
	@echo "make test-slow   set up, then run the slow tests: real models, oracles, a browser"
	@echo "make lint types  ruff; mypy --strict"
	@echo "make check       what CI runs"

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade pip
	$(INSTALL) $(PIN) --editable '.[hf,claims]' --group dev
	touch $@

bench: $(VENV)/installed
	$(BIN)/python -m pytest $(BENCH) --benchmark-only --harness-budget $(BUDGET) --benchmark-columns=median,iqr,rounds

test: $(VENV)/installed
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(VENV)/installed
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/installed
	$(BIN)/mypy

check:
	bash .ci/run

clean:
	rm -rf $(VENV) .venv-torch* .tox .pytest_cache .mypy_cache .ruff_cache .hypothesis
