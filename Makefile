# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := install
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Hosts of the lab (as many as there are, or 2, where not given), and arguments that are passed on: make deploy ARGS="--check --diff", make unit ARGS="-k dotenv".
HOSTS ?=
ARGS ?=
# How many labs the scenarios are run on side by side.
LABS ?= 2

# What runs here is decided by this checkout, not by settings meant for the user's own hosts.
unexport $(filter ANSIBLE_% OP_% MOLECULE_% PYTEST_% PYTHONPATH PYTHONHOME VIRTUAL_ENV,$(.VARIABLES))
export LC_ALL := C.UTF-8
ifndef MAKE_TERMOUT
export NO_COLOR := 1
endif
export PATH := $(CURDIR)/.venv/bin:$(PATH)

STAGES := python tests/tools/stages.py
ANSIBLE_TEST := python tests/tools/ansible_test.py
OWN := .collections/ansible_collections/abstractfinance/ibgateway

.PHONY: help
help: ## this list
	@printf 'make <target>:\n'
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  \1|\2/p' Makefile | while IFS='|' read -r target text; do printf '%-18s%s\n' "$$target" "$$text"; done

.PHONY: install
install: ## the pinned Python packages (.venv) and collections (.collections); also plain "make"
	@tests/tools/install

.PHONY: lab lab-down deploy
lab: install ## two hosts on this machine to deploy to (HOSTS=N for more)
	@tests/lab/lab up $(if $(HOSTS),--hosts $(HOSTS))

lab-down: install ## take the lab away, all of it
	@for number in $(shell seq $(LABS) -1 1); do LAB_NUMBER=$$number tests/lab/lab down; done

deploy: ## the main job, on the lab: ARGS="--check --diff" and the like go to ansible-playbook
	@tests/tools/deploy-words before
	@$(MAKE) lab
	@tests/lab/play deploy-staging.yml $(ARGS)
	@tests/tools/deploy-words after

.PHONY: drill
drill: lab ## the guide's incident, put into the lab for you to find and to mend
	@tests/lab/with-python ibgateway_lab.drill

.PHONY: test test-full lint sanity unit integration archive molecule
test: install ## everything below, what needs the lab beside what does not, and how long each part takes
	@$(STAGES) lint sanity unit --after lab integration --beside lab archive molecule

test-full: export TEST_COUNT := full
test-full: test ## the same with full counts

lint: install ## ansible-lint, yamllint, ruff, mypy, shellcheck, antsibull, galaxy-importer, role READMEs, reuse
	@$(STAGES) lint

sanity: install ## ansible-test sanity, without ignore files
	@$(STAGES) sanity

unit: install ## ansible-test units
	@$(STAGES) unit

integration: lab ## tests that need the engine and the lab's images, and leave the lab's hosts alone
	@$(STAGES) integration

archive: install ## the collection's archive, installed in a clean container, deploys to the lab
	@$(STAGES) archive

molecule: install ## the Molecule scenarios, on the lab
	@$(STAGES) molecule

.PHONY: bench-blackout
bench-blackout: lab ## how long a login is down in a takeover, beside the same by hand (ARGS="--rounds 5")
	@python tests/bench/blackout.py $(ARGS)

.PHONY: format
format: install ## what ruff can put right by itself
	@ruff check --fix-only --quiet .
	@ruff format --quiet .

LINTS := lint-ansible lint-yaml lint-python lint-types lint-shell lint-changelog lint-docs lint-runbook lint-roles lint-archive lint-licences
.PHONY: readmes runbook build docs picture matrix coverage config-check release
readmes: install ## the roles' README.md, from their meta/argument_specs.yml
	@python tests/tools/roles.py write

runbook: install ## docs/runbook.md, out of the catalogue of causes
	@python tests/tools/runbook.py

build: install ## the collection's archive, in .build/dist
	@python tests/tools/package.py build

docs: install ## the documentation as a site, in .build/docs/html; fails at warnings and dead links
	@python tests/tools/site_pages.py

picture: lab ## docs/images/deploy.svg, from two deploys on the lab
	@python tests/tools/picture.py

matrix: install ## sanity's imports and the units with each supported ansible-core and each Python that is installed
	@python tests/tools/matrix.py $(ARGS)

coverage: install ## how much of the plugins all tests run together, by branch, on hosts too; takes as long as they
	@python tests/tools/coverage_report.py $(ARGS)

config-check: install ## what is still to be set in inventories/staging and inventories/production
	@python tests/tools/config_check.py $(ARGS)

release: install ## VERSION=1.2.0: version, changelog, checks, commit, tag and archive; pushes nothing
	@python tests/tools/release.py $(VERSION)

.PHONY: run-lint $(LINTS)
run-lint: $(LINTS)

lint-ansible:
	@echo ansible-lint
	@ansible-lint --offline --profile production -q

lint-yaml:
	@echo yamllint
	@yamllint --strict .

lint-python:
	@echo ruff
	@ruff check --quiet .
	@ruff format --quiet --diff .

lint-types:
	@echo mypy
	@mypy --no-error-summary $(OWN)/plugins/module_utils

lint-shell:
	@echo shellcheck
	@git ls-files -z --cached --others --exclude-standard | xargs -0 awk 'FNR == 1 && /^#!.*[\/ ](ba)?sh$$/ { print FILENAME } { nextfile }' | xargs shellcheck

lint-changelog:
	@echo antsibull-changelog
	@antsibull-changelog lint

lint-docs:
	@echo antsibull-docs
	@python tests/tools/ansible_test.py copy
	@cd .build/ansible_collections/abstractfinance/ibgateway && ANSIBLE_COLLECTIONS_PATH=$(CURDIR)/.build antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .

lint-runbook:
	@echo runbook
	@python tests/tools/runbook.py --check

lint-roles:
	@echo role READMEs and defaults
	@python tests/tools/roles.py check

lint-archive:
	@echo galaxy-importer
	@python tests/tools/package.py check

lint-licences:
	@echo reuse
	@reuse lint --quiet || { reuse lint --lines; exit 1; }

.PHONY: run-sanity run-unit run-lab run-integration run-archive run-molecule
run-sanity:
	@$(ANSIBLE_TEST) sanity $(ARGS)

run-unit:
	@$(ANSIBLE_TEST) units $(ARGS)

run-lab: lab

# Beside the scenarios of Molecule: what it runs is on this machine's engine and has nothing to do with the lab's hosts.
run-integration:
	@pytest tests/integration --ignore=tests/integration/install --junitxml="$(CURDIR)/.build/junit/integration/report.xml" $(ARGS)

run-archive: lab
	@pytest tests/integration/install --junitxml="$(CURDIR)/.build/junit/archive/report.xml" $(ARGS)

run-molecule: lab
	@python tests/tools/scenarios.py --labs $(LABS) $(ARGS)

.PHONY: clean
clean: ## what make has made here, but for the lab (make lab-down)
	@rm -rf .build .venv .collections .ansible .hypothesis .mypy_cache .pytest_cache .ruff_cache playbooks/collections tests/output
