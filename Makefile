# Two commands: `make demo` shows the whole system, `make test` proves it. Only Python 3.11+, make and git are needed.
# All paths are relative, so a folder with a space in its name is fine.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt
WORKERS ?= 2
# What faults are planted in; the splits are in ems_ml/dataset/splits.py.
PACKAGES ?= attrs babel boltons bottle cachetools cattrs cerberus click dacite filelock h11 httpx humanize idna inflect \
  itsdangerous jinja2 jmespath jsonschema lark markdown-it-py mistune more-itertools mpmath packaging parso prettytable \
  pyparsing pyrsistent python-dateutil python-slugify schema simpleeval sortedcontainers sqlparse starlette tabulate \
  textdistance tinydb toolz voluptuous wcwidth wsproto wtforms xmltodict
# The demo keeps its data here, apart from a real installation's.
export EMS_HOME ?= $(CURDIR)/.ems

.PHONY: help install demo test lint types unit bench data models screenshots clean

help:
	@echo "make demo     install into .venv and see the whole system at work (leaves dashboard and API up)"
	@echo "make test     install everything and run ruff, mypy and the tests with coverage"
	@echo "make bench    measure and report, with baselines in the same run"
	@echo "make data     rebuild data/ from the package index and the cache (hours of machine time are resumable)"
	@echo "make models   retrain models/ on data/"

$(VENV)/bin/python:
	@for candidate in python3 python3.13 python3.12 python3.11 python; do \
	  if "$$candidate" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "using $$($$candidate --version) for $(VENV)"; "$$candidate" -m venv $(VENV) && exit 0; exit 1; \
	  fi; \
	done; echo "ems: no Python 3.11 or newer found" >&2; echo "  remedy: install Python 3.11+ and put it on PATH" >&2; exit 1

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing ems and what the demo needs into $(VENV) (first time: a minute or two)"
	@$(PIP) -e ".[demo]"
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing ems and everything the tests need into $(VENV) (first time: a few minutes)"
	@$(PIP) -e ".[test]"
	@touch $@

install: $(VENV)/.demo

demo: install
	@$(PY) -m ems_ml demo $(DEMO_FLAGS)

test: $(VENV)/.test lint types unit

lint: $(VENV)/.test
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

types: $(VENV)/.test
	@$(PY) -m mypy

unit: $(VENV)/.test
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile --cov=ems_ml --cov-report=term:skip-covered $(PYTEST_FLAGS)

bench: $(VENV)/.test
	@$(PY) -m tests.benchmarks

# Planted faults; histories are read by hand (ems harvest history), for they need their clones. Then all of it is built.
data: $(VENV)/.test
	@$(PY) -m ems_ml harvest faults $(PACKAGES)
	@$(PY) -m ems_ml harvest build --out data

models: $(VENV)/.test
	@$(PY) -m ems_ml train --encoder --out models

screenshots: $(VENV)/.test
	@$(PY) tests/browser/screenshots.py docs/user/images

clean:
	rm -rf $(VENV) build dist .ems .mypy_cache .pytest_cache .ruff_cache
