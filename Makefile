# One target, one thing. `make demo` and `make test` set up all they need.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
PY := .venv/bin/python
DEMO_HOME := $(CURDIR)/.demo

.PHONY: help demo stop venv test simulate chaos fuzz witness lint format bench bench-supervisors bench-peers \
	paper-tables clean prerequisites

help:
	@echo "make demo    start four paper bots and the monitor in a home of their own (.demo) and show them"
	@echo "make stop    stop them"
	@echo "make test    run all tests"
	@echo "make simulate  a million steps of fleets in a simulated world (SEED=1, STEPS=1000000)"
	@echo "make chaos   kill, stop, starve and cut a fleet 500 times and compare its books (SEED=7, FAULTS=500, REPORT=1)"
	@echo "make fuzz    throw broken configs at the registry (EXAMPLES=5000 for each kind)"
	@echo "make witness let foreign clients check the venue simulators"
	@echo "make lint    ruff and mypy"
	@echo "make bench   measure; figures go to benchmarks/results/"
	@echo "make bench-supervisors  measure side by side with other process managers, about 45 minutes"
	@echo "make bench-peers  our backtests beside other engines: speed, fills and profit, about 5 minutes"
	@echo "make paper-tables  simulate the tables of Avellaneda and Stoikov and show ours beside theirs"
	@echo "make venv    only make the environment (.venv)"

prerequisites:
	@command -v git >/dev/null || { echo "git is missing: apt-get install git"; exit 1; }
	@test -n "$(PYTHON)" || { echo "Python 3.11 is missing: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "$(PYTHON) is not Python 3.11 to 3.13: apt-get install python3 python3-venv, or make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "Python's venv is missing: apt-get install python3-venv"; exit 1; }

.venv/.run-time: requirements.txt | prerequisites
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@echo "installing pinned requirements into .venv"
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.test: requirements-test.txt requirements-simulator.txt requirements-backtest.txt requirements-train.txt \
		.venv/.run-time
	@echo "installing pinned test requirements into .venv"
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	@touch $@

venv: .venv/.run-time

demo: .venv/.run-time
	@mkdir -p "$(DEMO_HOME)"/config/active && cp config/demo/*.json "$(DEMO_HOME)"/config/active/
	@test -e "$(DEMO_HOME)"/config/daemon.json || cp config/demo/daemon/daemon.json "$(DEMO_HOME)"/config/
	@$(PY) core/daemon_manager.py --home "$(DEMO_HOME)" status --json | grep -q '"state": "running"' \
		|| $(PY) core/daemon_manager.py --home "$(DEMO_HOME)" start --daemon
	@echo "the bots trade a recorded minute of a real market; first fills come within seconds ..."; sleep 8
	@$(PY) core/daemon_manager.py --home "$(DEMO_HOME)" status
	@echo
	@echo "look further (the monitor's address is in the second line above):"
	@echo "  $(PY) core/daemon_manager.py --home .demo status --watch       the same, live"
	@echo "  $(PY) core/daemon_manager.py --home .demo logs demo-tight -f   what a bot does"
	@echo "  $(PY) run.py --home .demo --cli                                the menu"
	@echo "  kill -9 PID                        (from status demo-tight) and see it come back with its ledger"
	@echo "  make stop                                         cancel every order and end"

stop: .venv/.run-time
	@$(PY) core/daemon_manager.py --home "$(DEMO_HOME)" stop

test: .venv/.test
	@$(PY) tests/run_tests.py all

simulate: .venv/.test
	@$(PY) -m tests.simulation.run --seed $(or $(SEED),1) --steps $(or $(STEPS),1000000)

chaos: .venv/.test
	@$(PY) -m tests.chaos.run --seed $(or $(SEED),7) --faults $(or $(FAULTS),500) $(if $(REPORT),--report docs/chaos.md)

fuzz: .venv/.test
	@$(PY) -m tests.fuzz.run --examples $(or $(EXAMPLES),5000)

witness: .venv/.test
	@$(PY) tests/witness/run_witness.py all

lint: .venv/.test
	@.venv/bin/ruff check --no-cache .
	@.venv/bin/ruff format --no-cache --check .
	@.venv/bin/mypy --strict core api strategies utils

format: .venv/.test
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

bench: .venv/.run-time
	@$(PY) benchmarks/run_all.py

bench-supervisors: .venv/.run-time
	@$(PY) benchmarks/supervisors/run.py

bench-peers: .venv/.test
	@$(PY) benchmarks/peers/run.py
	@$(PY) benchmarks/peers/fills.py

paper-tables: .venv/.run-time
	@$(PY) benchmarks/paper_tables.py --page

clean: 
	@rm -rf .demo reports .pytest_cache .mypy_cache .ruff_cache .hypothesis
