# Every task of the project. `make` or `make help` lists them.
PYTHON ?= python3
ICS ?=
MODEL ?=
BASE_IMAGE ?=
PY := .venv/bin/python
TESTS ?=
N ?= 100
SEED ?=
PURPOSE := run
PROGRAMS ?= 2000
.DEFAULT_GOAL := help
.PHONY: help environment sandbox run test test-local test-full chaos check lint format types contracts proto check-proto lock-proto style image bench bench-smoke locks clean

help: ## list the tasks
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

environment: ## make .venv with the locked dependencies
	@$(PYTHON) setup/bootstrap.py environment --for $(PURPOSE)

sandbox: environment ## make the strongest sandbox that works here ready
	@$(PYTHON) setup/bootstrap.py sandbox $(if $(BASE_IMAGE),--base-image $(BASE_IMAGE))

run: sandbox ## run the calendar assistant (ICS=calendar.ics MODEL=provider/name)
	@$(if $(BASE_IMAGE),STATEK_BASE_IMAGE="$(BASE_IMAGE)") $(PY) -m examples.calendar_assistant $(if $(ICS),--ics "$(ICS)") $(if $(MODEL),--model "$(MODEL)")

test test-full: PURPOSE := test
test: environment ## all tests, the Docker ones included (TESTS=path narrows)
	@$(PY) -m tests.support.run_tests -m "not chaos and not data" $(TESTS)

test-local: environment ## the tests that need no Docker engine
	@$(PY) -m tests.support.run_tests --local -m "not docker and not chaos and not data" $(TESTS)

chaos: environment ## kill processes on purpose, N times (100); SEED=number makes a plan again
	@$(PY) -m tests.chaos --kills $(N) $(if $(SEED),--seed $(SEED))

test-full: environment ## all tests, then kills (N of them, and N of the main job with their report), then all benchmarks
	@STATEK_TEST_PROGRAMS=$(PROGRAMS) $(PY) -m tests.support.run_tests $(TESTS)
	@$(PY) -m tests.chaos --kills $(N) $(if $(SEED),--seed $(SEED))
	@$(PY) -m tests.chaos.report --kills $(N)
	@$(MAKE) --no-print-directory bench

check: environment lint types contracts check-proto style ## all that needs no engine

lint: environment ## ruff: rules and format
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: environment ## ruff: put the format right
	@$(PY) -m ruff format .

types: environment ## mypy, strict
	@$(PY) -m mypy

contracts: environment ## import contracts
	@.venv/bin/lint-imports

proto: environment ## generate the wire code from proto/
	@$(PY) setup/generate_wire.py

check-proto: environment ## buf lint; no breaking change; the wire code is fresh
	@.venv/bin/buf lint proto
	@.venv/bin/buf breaking proto --against locks/proto.json
	@$(PY) setup/generate_wire.py --check

lock-proto: environment ## accept the protocols as they are now: later breaking changes are refused against this
	@.venv/bin/buf build proto --exclude-source-info --output locks/proto.json

style: environment ## house rules that no linter knows
	@$(PY) -m pytest -q -p no:cacheprovider tests/style

image: environment ## make the runner image (BASE_IMAGE=image builds upon another one)
	@$(PY) -m images.build $(if $(BASE_IMAGE),--base-image $(BASE_IMAGE))

bench: sandbox ## all benchmarks
	@$(PY) -m benchmarks

bench-smoke: sandbox ## each benchmark once, briefly: does it still run
	@$(PY) -m benchmarks --smoke

locks: environment ## make the lock files anew from pyproject.toml and images/*/requirements.in
	@$(PY) setup/lock.py

clean: ## remove what make has made, the virtual environment too
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
