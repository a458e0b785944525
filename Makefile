# Two commands do everything on a fresh machine with Python >= 3.11: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Known-good pinned versions; the package's own metadata stays open.
PIP     = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint docs clean

demo: $(VENV)/.installed
	$(BIN)/spotweave demo -o spotweave-demo

test: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "spotweave needs Python >= 3.11, found " + sys.version.split()[0] + "; call make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing spotweave into $(VENV) (once; a few minutes)"
	$(PIP) -e ".[test]"
	@touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(PIP) -e ".[$*]"
	@touch $@

clean:
	rm -rf $(VENV) docs/_build docs/generated docs/jupyter_execute spotweave-demo
