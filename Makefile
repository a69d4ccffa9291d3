# Each target installs what it needs first: Python packages into .venv by their hashes, the Temporal server into the
# user's cache. Needed beforehand: Python 3.11 or newer, make, and the internet or Go.

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
INSTALLED := .venv/installed
TIMED := $(BIN)/python -m tests.timed

# Else each Python that the tests start, three at a time and some hundred in all, would compile every module for itself.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up demo test check temporal bench soak clean lock

help: ## Say what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-6s %s\n", $$1, $$2}'

up: $(INSTALLED) ## Run everything on this machine, with a sample company; Ctrl-C ends it
	@$(BIN)/laurel up

demo: $(INSTALLED) ## Show the main job for real: deals and courses become points, points become gift cards
	@$(BIN)/laurel demo

test: ## Check, then run every test on real servers
	@$(MAKE) --no-print-directory --jobs 2 check temporal
	@# Three at once, for two cores: tests of time and of faults mostly wait.
	@$(TIMED) "tests" 960 $(BIN)/pytest -n 3 --dist worksteal
	@if [ -n "$$TEST_POSTGRES15_URL" ]; then TEST_DATABASE_URL="$$TEST_POSTGRES15_URL" \
		$(TIMED) "storage tests on PostgreSQL 15" 240 $(BIN)/pytest -n 2 tests/storage -m "not soak and not thorough"; fi

check: $(INSTALLED) ## Check format, style, types, layers, dead code and that the documentation is complete
	@$(TIMED) "format" 5 $(BIN)/ruff format --check --quiet .
	@$(TIMED) "style" 5 $(BIN)/ruff check --quiet .
	@$(TIMED) "types" 120 $(BIN)/mypy
	@$(TIMED) "layers" 15 $(BIN)/lint-imports --no-logo
	@$(TIMED) "dead code" 15 $(BIN)/python -m tests.dead_code
	@$(TIMED) "documentation" 30 $(BIN)/pytest tests/docs

temporal: $(INSTALLED)
	@$(TIMED) "Temporal server" 480 $(BIN)/python -m cli.embedded.temporal

bench: $(INSTALLED) ## Print each of our figures beside its yardstick, measured in the same run
	@for name in intake http bulk game expiry ledger orders streaks boards verify slack; do $(BIN)/laurel bench $$name || exit 1; done

soak: $(INSTALLED) ## Run the long tests: full API fuzzing, endurance, a million lots that expire, faults under load
	@$(BIN)/pytest -m soak --timeout 0
	@$(BIN)/laurel bench expiry --lots 1000000
	@$(BIN)/laurel chaos --rounds 32

clean: ## Delete what was installed here and the embedded stack's data and logs
	rm -rf .venv .laurel .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock: $(INSTALLED) ## Pin the newest versions that pyproject.toml allows, with their hashes
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --upgrade --universal --generate-hashes --no-emit-find-links --no-emit-index-url --group dev \
		--python-version 3.11 --custom-compile-command "make lock" --quiet --output-file requirements.lock pyproject.toml

$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Laurel needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Installing into .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
