# Everything a person does with this tree. A fresh machine needs make and Python 3.11 or newer, and nothing else.

PYTHON ?= python3
BIN := .venv/bin
# What is installed is compiled when it is first used, and most of it never is.
PIP := $(BIN)/python -m pip install --quiet --no-compile
INSTALLED := .venv/.installed
READY := .venv/.ready
DEMO_LOG := build/demo.ndjson
DEMO_STORE := sqlite:///demo.db
STRANDLINE := $(BIN)/strandline --store $(DEMO_STORE)

# Where it is set, each of the hundreds of processes that the tests start compiles every module anew.
unexport PYTHONDONTWRITEBYTECODE

.DELETE_ON_ERROR:
.PHONY: help demo test full docs packaging mutants bench lint types format format-check check clean

help:
	@echo "make demo       index a made-up forum and look at it"
	@echo "make test       the suite, the documentation and the wheel (make full: with the long properties)"
	@echo "make docs       only what the documentation says; make packaging: only to build, install and use the wheel"
	@echo "make mutants    put known bugs in and see the suite find them"
	@echo "make bench      the benchmarks"
	@echo "make lint types format format-check check clean"

$(INSTALLED): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(PIP) --editable '.[all]'
	touch $@

$(READY): $(INSTALLED)
	$(PIP) --group dev
	touch $@

$(DEMO_LOG): $(INSTALLED)
	mkdir -p $(@D)
	$(BIN)/strandline world --seed 7 --events 20000 --out $@

demo: $(DEMO_LOG)
	rm -f demo.db demo.db-*
	$(STRANDLINE) replay $(DEMO_LOG)
	$(STRANDLINE) feed discover
	$(STRANDLINE) thread

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal --durations 20

full: $(READY)
	STRANDLINE_FULL=1 $(BIN)/python -m pytest -n 2 --dist worksteal

docs: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m docs tests/test_docs.py

packaging: $(READY)
	$(BIN)/python -m pytest -m packaging tests/test_packaging.py

mutants: $(READY)
	$(BIN)/python tests/mutants/run.py

bench: $(READY)
	set -e; for file in benchmarks/[!_]*.py; do echo "# $$file"; $(BIN)/python $$file; done

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy --num-workers 2 src adapters tests

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

format-check: $(READY)
	$(BIN)/ruff format --check .

check:
	bash .ci/run

clean:
	rm -rf .venv build dist demo.db demo.db-* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
