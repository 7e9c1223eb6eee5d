# make study | make test : everything they need is set up first, from the hash-pinned locks.
PYTHON ?= python3
VENV   ?= .venv
TOOLS  := .tools
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null || echo $(TOOLS)/bin/uv)
JOBS   ?= 2
COHORT ?=
STAMP  := $(VENV)/.installed

export UV_NO_PROGRESS = 1

.PHONY: help study test check lint docs install benchmark lock clean

help:
	@echo "make study      the whole study on the simulated cohort"
	@echo "make test       the tests"
	@echo "make check      the linters, the docs and then the tests: what CI runs"
	@echo "make docs       the docs site in site/"
	@echo "make install    the environment in $(VENV) (VENV=DIR for another place)"
	@echo "make benchmark  the ratios that the documents quote; COHORT='cohort=folder cohort.root=DIR'"
	@echo "                times the study of a cohort of your own beside them"
	@echo "make lock       the locks, from pyproject.toml"

install: $(STAMP)

$(STAMP): requirements-dev.lock pyproject.toml
	@command -v $(UV) >/dev/null 2>&1 || { $(PYTHON) -m venv $(TOOLS) && $(TOOLS)/bin/python -m pip install --quiet uv; }
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	VIRTUAL_ENV=$(abspath $(VENV)) $(UV) pip sync --quiet --compile-bytecode --require-hashes requirements-dev.lock
	VIRTUAL_ENV=$(abspath $(VENV)) $(UV) pip install --quiet --no-deps -e .
	@$(BIN)/python -m compileall -q her2 hydra_plugins lightning_modules
	@touch $@

study: install
	$(BIN)/her2 study

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# no page asks another host for a script, a style, a font or a picture
docs: install
	$(BIN)/jupytext --quiet --to md docs/tutorial.py --output docs/tutorial.md
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@! grep -rnoE '<(script|link|img|iframe)[^>]*(src|href)="?(https?:)?//[^">]*' site --include='*.html'
	@! grep -rnoE '(url\(|@import)[ "]*(https?:)?//[^)]*' site --include='*.css'

check: lint docs test

benchmark: install
	$(BIN)/python benchmarks/pyradiomics_times.py
	$(BIN)/python benchmarks/delong.py
	$(BIN)/python benchmarks/grid_search.py
	$(BIN)/python benchmarks/extraction.py $(COHORT)
	$(BIN)/python benchmarks/study.py $(COHORT)
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/search.py
	$(BIN)/python benchmarks/tracking.py
	$(BIN)/python benchmarks/shape.py

lock:
	@command -v $(UV) >/dev/null 2>&1 || { $(PYTHON) -m venv $(TOOLS) && $(TOOLS)/bin/python -m pip install --quiet uv; }
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml --group dev --group docs -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) $(TOOLS) outputs multirun dist site docs/tutorial.md
