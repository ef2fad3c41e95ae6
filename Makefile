# SonoRelay. Each target does its own set-up; nothing but Python >= 3.11 is needed to begin.
#   make demo    the whole line on this machine, results in the browser
#   make test    every test
PYTHON ?= python3
VENV := .venv
TRITON := .venv-triton
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
DATA ?= ../shared/data
WEB := $(shell find cloud/console/web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

.PHONY: help setup setup-train setup-triton system-packages demo test check bench protos eval train requirements lock clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

setup: $(VENV)/.installed ## prepare .venv from the lock file

$(VENV)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python >= 3.11 is needed; name it with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q uv==$(UV_VERSION)

$(VENV)/.locked: requirements.lock $(VENV)/bin/uv
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.installed: pyproject.toml hatch_build.py $(VENV)/.locked $(WEB)
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

setup-train: $(VENV)/.trained ## add PyTorch for training

$(VENV)/.trained: requirements-train.lock $(VENV)/.installed
	$(BIN)/python -m pip install -q -r requirements-train.lock
	@touch $@

setup-triton: $(TRITON)/.installed ## a real Triton server for tests, in an environment of its own

# tritonserver 2.51 runs its models in Python 3.11 or 3.12 with numpy 1.26; uv finds such a Python or brings it.
$(TRITON)/.installed: requirements-triton.lock $(VENV)/bin/uv
	$(BIN)/uv venv -q --clear --python '>=3.11,<3.13' $(TRITON)
	$(BIN)/uv pip install -q --python $(TRITON)/bin/python --require-hashes -r requirements-triton.lock
	@touch $@

system-packages: ## Debian programs that some tests drive: Chromium, DCMTK, Orthanc, qpdf
	@deploy/local/system-packages.sh

demo: setup ## print made-up examinations and watch the results come in
	$(BIN)/sonorelay demo

test: setup setup-train setup-triton system-packages ## every test
	$(BIN)/python -m pytest -q

check: setup setup-train ## format, lint, types, drift of generated code, page
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m protos.generate --check
	$(BIN)/python -m cloud.console.web_check

bench: setup setup-triton system-packages ## the benchmarks, as ratios; saved under bench-results/
	$(BIN)/python -m tests.bench

protos: setup ## generate the code of protos/
	$(BIN)/python -m protos.generate

eval: setup-train ## measure the committed models on the dev split of $(DATA): every figure with its interval
	$(BIN)/python -m cloud.training eval --data $(DATA) --out model_repository

train: setup-train ## train every shipped model from $(DATA)
	$(BIN)/python -m cloud.training all --data $(DATA)

requirements: setup ## which requirement has a passing test
	$(BIN)/python -m tests.requirements

lock: $(VENV)/bin/uv ## resolve the lock files again
	$(BIN)/uv pip compile -q pyproject.toml --extra edge --extra cloud --extra dev --python-version 3.11 --universal --generate-hashes --no-header -o requirements.lock
	printf 'nvidia-pytriton==0.7.0\nnumpy<2\nonnxruntime>=1.23,<2\n' | $(BIN)/uv pip compile -q - --python-version 3.11 --universal --generate-hashes --no-header -o requirements-triton.lock

clean: ## remove what was built
	rm -rf $(VENV) $(TRITON) build dist cloud/console/static cloud/console/web/node_modules
