# What a person types; how it is done is in tools/. Needs python3 (3.11 or newer), its venv module and make.

PYTHON ?= python3
ARGS ?=
VENV_PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help run test check bench tox firmware firmware-test gateway gateway-long micropython program wheel deb footprint first-call clean

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: ## Start a relay; ARGS="-c FILE" and whatever else `edgeturn run` takes
	@$(PYTHON) -m tools.prepare run
	@exec .venv/bin/edgeturn run $(ARGS)

test: ## Run all tests, on CPython, MicroPython, the firmware and emulated machines (root installs what is missing)
	@$(PYTHON) -m tools.prepare test
	@$(PYTHON) -m tools.micropython >/dev/null
	@for each in x86_64 mipsel s390x; do $(PYTHON) -m firmware.build $$each >/dev/null || exit; done
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

firmware: ## Build the firmware, all of it or ARCH=mips FLAVOUR=tls, and print where and how large it is
	@$(PYTHON) -m tools.prepare firmware
	@$(PYTHON) -m firmware.build $(if $(ARCH),$(ARCH),all) --flavour $(if $(FLAVOUR),$(FLAVOUR),all) --table

firmware-test: ## Run core and black-box tests on the firmware of every architecture, or ARCH=mips FLAVOUR=tls
	@$(PYTHON) -m tools.prepare test
	@exec env EDGETURN_ARCHITECTURES="$(if $(ARCH),$(ARCH),all)" EDGETURN_FLAVOUR=$(if $(FLAVOUR),$(FLAVOUR),tls) \
		$(VENV_PYTHON) -m pytest -s tests/firmware/test_architectures.py $(ARGS)

gateway: ## Boot an emulated 64 MB router with the firmware, and give you a shell in it (as root)
	@$(PYTHON) -m tools.prepare gateway
	@exec $(PYTHON) -m firmware.gateway $(ARGS)

gateway-long: ## Run the tests of the emulated machines in their long form (as root; 15 minutes)
	@$(PYTHON) -m tools.prepare test
	@exec env EDGETURN_GATEWAY_LONG=1 $(VENV_PYTHON) -m pytest -s tests/gateway $(ARGS)

micropython: ## Fetch MicroPython and print the path of the command that runs it
	@$(PYTHON) -m tools.micropython

program: ## Compile the kernel's program for both byte orders
	@$(PYTHON) -m tools.prepare program
	@$(PYTHON) -m tools.program

wheel: ## Build the source distribution and the wheel into dist/, the same bytes each time
	@$(PYTHON) -m tools.prepare wheel
	@$(VENV_PYTHON) -m tools.wheel

deb: ## Build the Debian package into dist/
	@$(PYTHON) -m tools.prepare deb
	@$(VENV_PYTHON) -m firmware.debian

footprint: ## Measure bytes on flash and memory, and print a table; ARCH=all builds all firmwares for it (as root)
	@$(PYTHON) -m tools.prepare bench
	@$(PYTHON) -m tools.micropython >/dev/null
	@exec $(VENV_PYTHON) -m tools.footprint $(if $(ARCH),--arch $(ARCH)) $(ARGS)

first-call: ## Measure the first minute: from an empty Debian container to a relayed call (as root)
	@$(PYTHON) -m tools.prepare first-call
	@exec $(VENV_PYTHON) -m tools.first_call $(ARGS)

clean: ## Remove what these targets made
	rm -rf .venv .build .tox build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
