# make run    set up and serve the built-in model on 127.0.0.1:8000
# make test   set up and pass the tests
# make check  format, lint, types, import contracts
# make fix    what `make check` can mend by itself

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# The first Python that is new enough; `make run PYTHON=/path/to/python3` decides otherwise.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
SOURCES := edgellm quant tests benches

.PHONY: run test test-slow check fix wheel constraints clean

run: $(VENV)/.run
	$(BIN)/edgellm serve $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.dev
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

wheel: $(VENV)/.dev
	$(BIN)/python -m build --wheel --no-isolation

constraints: $(VENV)/.dev
	{ head -n 1 constraints.txt; $(PIP) freeze --exclude-editable | grep == | sort -f; } > constraints.new
	mv constraints.new constraints.txt

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "error: there is no Python 3.11 or newer on the PATH"; \
	  echo "hint: install one (see README), or: make run PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python pyproject.toml constraints.txt
	@command -v c++ >/dev/null || { echo "error: there is no C++ compiler (c++)"; \
	  echo "hint: the README names the one command that installs it"; exit 1; }
	@echo "Setting up .venv (llama.cpp is compiled for this CPU: some 5 minutes, once)"
	$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run pyproject.toml constraints.txt
	$(PIP) install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) dist build
