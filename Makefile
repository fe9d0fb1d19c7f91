# Everything sets itself up: a .venv in this folder, by uv where it is there and by pip otherwise.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?= python3

.PHONY: demo test check coverage format lint types snapshots bench clean

demo: $(STAMP)  ## Watch a recorded race: make demo ARGS="--speed 4"
	$(BIN)/miyabi demo $(ARGS)

test: $(STAMP)  ## All tests, a worker for each core; ARGS="-n 0" for one after another
	$(BIN)/python -m pytest $(ARGS)

check: $(STAMP)  ## What CI runs: format, lint, the walls, types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m pytest $(ARGS)

coverage: $(STAMP)  ## The tests with branch coverage, which takes half as long again
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered $(ARGS)

format: $(STAMP)  ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

snapshots: $(STAMP)  ## Accept the screen as it is now; look at it before and after
	$(BIN)/python -m pytest -n 0 $$(grep -lE 'snap_compare|update_snapshots' tests/test_*.py) --snapshot-update

bench: $(STAMP)  ## All benchmarks, one after another
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) dist build *.egg-info

$(STAMP): pyproject.toml requirements.lock
	@if command -v uv >/dev/null 2>&1; then \
		test -d $(VENV) || uv venv --quiet --python $(PYTHON) $(VENV); \
		uv pip install --quiet --python $(BIN)/python -r requirements.lock; \
		uv pip install --quiet --python $(BIN)/python --no-deps -e .; \
	else \
		test -d $(VENV) || $(PYTHON) -m venv $(VENV); \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .; \
	fi
	@touch $(STAMP)
