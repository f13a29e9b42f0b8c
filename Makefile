# Everything that is run on this project, on a machine that has nothing but Python >= 3.11:
#
#   make test        all tests but the slow ones          make demo     the whole story in under ten minutes
#   make test-slow   the slow ones: minutes of training   make format   put the code into its form
#   make check       form, lint, types, layers            make clean    remove .venv and what tools left behind

PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell $(p) -c 'import sys; sys.version_info < (3, 11) or print("$(p)")' 2>/dev/null)))
BIN := .venv/bin
STAMP := .venv/.installed

export MPLBACKEND := agg

.PHONY: test test-slow check format demo clean

test: $(STAMP)
	$(BIN)/python -m pytest -n logical --dist loadfile -m "not slow"

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo: $(STAMP)
	PATH="$(abspath $(BIN)):$$PATH" bash examples/demo.sh

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no Python >= 3.11 found; name one with: make PYTHON=/path/to/python3" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
