# `make` says what there is; DATA, PERIODS, JSON and KEEP are the demo's, TORCH and PYTHON the installation's.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
TORCH ?=
DATA ?=
PERIODS ?= 31
JSON ?=
KEEP ?=
KILLS ?= 66
FUZZ ?= 60
BIN := .venv/bin
INSTALLED := .venv/.installed
LIBRARIES := $(addprefix serving/page/,uPlot.esm.js swagger-ui-bundle.js)

.PHONY: help install demo test chaos fuzz check reference clean
help:
	@echo "make install              everything the project needs, once (TORCH=cpu: torch's CPU build)"
	@echo "make demo                 the whole loop on the synthetic shop, in about two minutes"
	@echo "make demo DATA=FOLDER     the same on your data (PERIODS=31, JSON=FILE for figures, KEEP=1 to keep the page)"
	@echo "make test                 all tests"
	@echo "make chaos                kill everything at every step, Kafka's nodes and Redis too (KILLS=66): the verdict in one line"
	@echo "make fuzz                 bytes that nobody would send on purpose, to the API and every decoder (FUZZ=60 seconds in all)"
	@echo "make check                lint and types"
	@echo "make reference            docs/configuration.md, from the fields of the settings"
	@echo "make clean                take away what the others made"

install: $(INSTALLED) $(LIBRARIES)

$(INSTALLED): pyproject.toml constraints.txt
	@echo "1/4 virtual environment in .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5"
	@echo "2/4 Python packages"
	$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python --constraint constraints.txt $(if $(filter cpu,$(TORCH)),--torch-backend cpu) --editable ".[dev]"
	@echo "3/4 Kafka's jars"
	@$(BIN)/python -m stream.broker.jars
	@touch $@

$(LIBRARIES): serving/page_library.py | $(INSTALLED)
	@echo "4/4 the page's libraries"
	@$(BIN)/python -m serving.page_library
	@touch $(LIBRARIES)

demo: install
	$(BIN)/asmg demo --periods $(PERIODS) $(if $(DATA),--data $(DATA)) $(if $(JSON),--json $(JSON)) $(if $(KEEP),--keep,--exit-when-done)

# What speaks to Kafka runs on several CPUs by itself, but waits most of its time: two files at a time, each
# process with a Kafka of its own.
test: install
	$(BIN)/python -m pytest -n logical -m "not integration"
	$(BIN)/python -m pytest -n 2 --dist loadfile -m integration

chaos: install
	PYTHONPATH=.:tests $(BIN)/python tests/chaos/disturb.py --kills $(KILLS) --nodes 3

fuzz: install
	FUZZ=$(FUZZ) $(BIN)/python -m pytest --timeout 0 tests/fuzz

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

reference: install
	$(BIN)/python -m asmg.reference > docs/configuration.md

clean:
	rm -rf .venv .asmg .mypy_cache .ruff_cache .pytest_cache .hypothesis serving/page/uPlot.* serving/page/swagger-ui*
