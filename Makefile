# make demo    build the demo's report            make test   all tests
# make lint    style, types, imports, made files  make bench  measure
# make clean   remove what was made (make distclean: .venv too)
#
# PYTHON=python3.12 chooses another Python. Every target sets up what it needs, once.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: demo test lint bench clean distclean setup
.DEFAULT_GOAL := demo

PYTHON ?= python3
export PYTHON
BIN := .venv/bin
STAMPS := .stamps
NODE_PACKAGES := axe-core@4.14.1 html-validate@9.7.1
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt

DEMO_PACKAGES := python3-venv graphviz libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core
TEST_PACKAGES := $(DEMO_PACKAGES) chromium libatomic1 poppler-utils dataset-fashion-mnist nodejs npm

demo: $(STAMPS)/run
	$(BIN)/neurflow-report build specs/demo.yaml --jobs $$(nproc)
	@echo
	@echo "The demo's report:"
	@ls -1 output/demo/site/index.html output/demo/report.pdf output/demo/appendix.pdf output/demo/bundle/manifest.json

test: $(STAMPS)/test $(STAMPS)/node
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

lint: $(STAMPS)/test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMPS)/test
	for name in attribution pipeline scaling plan; do $(BIN)/python bench/$$name.py; done

setup: $(STAMPS)/test $(STAMPS)/node

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis $(STAMPS)/node
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
	find output -mindepth 1 -not -name .gitignore -delete

distclean: clean
	rm -rf .venv $(STAMPS)

$(STAMPS)/system-demo: tools/system-packages Makefile
	@mkdir -p $(STAMPS)
	@tools/system-packages $(DEMO_PACKAGES)
	@touch $@

$(STAMPS)/system-test: tools/system-packages Makefile
	@mkdir -p $(STAMPS)
	@tools/system-packages $(TEST_PACKAGES)
	@touch $@ $(STAMPS)/system-demo

$(BIN)/python: | $(STAMPS)/system-demo
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): install Python 3.11 or later, or set PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or later is needed; $(PYTHON) is $$($(PYTHON) -V). Set PYTHON=… to another." >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(STAMPS)/run: pyproject.toml constraints.txt $(STAMPS)/system-demo | $(BIN)/python
	$(INSTALL) -e '.[run]'
	@touch $@

$(STAMPS)/test: pyproject.toml constraints.txt $(STAMPS)/system-test | $(BIN)/python
	$(INSTALL) -e '.[run,test,lint]'
	@touch $@ $(STAMPS)/run

# The checkers of accessibility and of HTML; their tests are skipped where they could not be had.
$(STAMPS)/node: Makefile $(STAMPS)/system-test
	@mkdir -p build/node
	npm install --prefix build/node --no-save --no-audit --no-fund --ignore-scripts $(NODE_PACKAGES) \
	  || echo "$(NODE_PACKAGES) could not be installed: the tests of accessibility and of HTML will be skipped" >&2
	@touch $@
