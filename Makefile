# make install: everything the project needs, once; make test: all tests; make check: lint and types.
SHELL := /bin/bash
PYTHON ?= python3
TORCH ?= 
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: install test check clean
install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5"
	$(BIN)/uv pip install --python $(BIN)/python --constraint constraints.txt $(if $(filter cpu,$(TORCH)),--torch-backend cpu) --editable ".[dev]"
	$(BIN)/python -m stream.broker.jars
	touch $@

test: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv .asmg .mypy_cache .ruff_cache .pytest_cache .hypothesis
