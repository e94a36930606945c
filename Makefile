# What a person types; how it is done is in tools/. Needs python3 (3.11 or newer), its venv module and make.

PYTHON ?= python3
ARGS ?=
VENV_PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help run test check bench tox micropython program clean

help: ## Show this
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: ## Start a relay; ARGS="-c FILE" and whatever else `edgeturn run` takes
	@$(PYTHON) -m tools.prepare run
	@exec .venv/bin/edgeturn run $(ARGS)

test: ## Run all tests on CPython, then core and black-box tests on MicroPython (root installs what is missing)
	@$(PYTHON) -m tools.prepare test
	@$(PYTHON) -m tools.micropython >/dev/null
	@exec $(VENV_PYTHON) -m tools.suite $(ARGS)

check: ## Check style, types, sizes and complexity
	@$(PYTHON) -m tools.prepare check
	@$(VENV_PYTHON) -m tools.check

bench: ## Measure, and print a table
	@$(PYTHON) -m tools.prepare bench
	@$(PYTHON) -m tools.micropython >/dev/null
	@exec $(VENV_PYTHON) -m tools.bench $(ARGS)

tox: ## Run the CPython tests on each CPython from 3.11 to 3.13 that this machine has
	@$(PYTHON) -m tools.prepare tox
	@exec $(VENV_PYTHON) -m tox $(ARGS)

micropython: ## Fetch MicroPython and print the path of the command that runs it
	@$(PYTHON) -m tools.micropython

program: ## Compile the kernel's program for both byte orders
	@$(PYTHON) -m tools.prepare program
	@$(PYTHON) -m tools.program

clean: ## Remove what these targets made
	rm -rf .venv .build .tox build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
