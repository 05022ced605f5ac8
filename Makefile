# Needs make and Python 3.11 or newer, and nothing else done first: each target
# builds the virtual environment it runs in. `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
REFERENCES ?= 1
SPARK ?= $(if $(shell command -v java 2>/dev/null),1,0)
WORKERS ?= 2
ARGS ?=

comma := ,
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
RUN := $(VENV)/.installed-run

ifeq ($(SPARK),0)
EXTRA :=
WITH :=
else
EXTRA := $(comma)spark
WITH := -spark
endif

SOME := $(VENV)/.installed-test$(WITH)
ALL := $(VENV)/.installed-test-references$(WITH)

ifeq ($(REFERENCES),0)
TEST := $(SOME)
SELECT := --no-references
else
TEST := $(ALL)
SELECT :=
endif

PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --durations 10
JUNK := build dist *.egg-info .pytest_cache .ruff_cache

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint acceptance bench tables constraints clean

help:
	@echo 'make demo         build $(VENV) and run the main job'
	@echo 'make test         style and tests; REFERENCES=0 leaves out torch, torchvision,'
	@echo '                  timm, scikit-learn and the tests that compare with them;'
	@echo '                  SPARK=0 installs no PySpark, as where no Java is'
	@echo 'make test-all     the slow tests too, all compiled as users compile'
	@echo 'make lint         ruff only'
	@echo 'make acceptance   the figures that the project promises, as rows of results.csv'
	@echo 'make bench        timings side by side with the references'
	@echo 'make tables       write the tables of the README'
	@echo 'make constraints  renew constraints.txt with the newest versions'
	@echo 'make clean        remove $(VENV) and build products; runs/ stays'
	@echo
	@echo 'Variables: PYTHON=$(PYTHON) VENV=$(VENV) REFERENCES=$(REFERENCES)' \
	    'SPARK=$(SPARK) WORKERS=$(WORKERS) ARGS=<more for the command>'

demo: $(RUN)
	@$(BIN)/python -m experiments.compare_optimizers $(ARGS)

test: $(TEST) lint
	@$(PYTEST) -m "not slow" $(SELECT) $(ARGS)

test-all: $(TEST) lint
	@OPTIMIZED=1 $(PYTEST) $(SELECT) $(ARGS)

lint: $(TEST)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

acceptance: $(ALL)
	@$(BIN)/python -m benchmarks.acceptance $(ARGS)

bench: $(ALL)
	@$(BIN)/python -m benchmarks $(ARGS)

tables: $(RUN)
	@$(BIN)/python -m zoo.tables $(ARGS)

# Installing. A stamp is written when pip has ended well; it is out of date when
# pyproject.toml or constraints.txt is newer. `.installing` stands while pip works:
# where it is found at the start, an install was cut off, and pip may take a package
# that is half there for a whole one, so the environment is built anew. Of the three
# sets (run, test, all) each contains the one before; the latter two have Spark where
# there is Java, and their stamps say so.

check_venv = if [ -n "$$(ls -A '$(VENV)' 2>/dev/null)" ] \
    && [ ! -e '$(VENV)/pyvenv.cfg' ] && [ ! -e '$(VENV)/.installing' ]; then \
    echo "$(VENV) is there and is no virtual environment; name another: make VENV=..." \
    >&2; exit 1; fi

define install
@set -e; $(check_venv); \
if [ -e '$(VENV)/.installing' ] || ! $(PIP) --version >/dev/null 2>&1; then \
    $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
        echo "Python 3.11 or newer is needed, and '$(PYTHON)' is:" \
            "$$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12" >&2; \
        exit 1; }; \
    rm -rf '$(VENV)'; mkdir -p '$(VENV)'; touch '$(VENV)/.installing'; \
    $(PYTHON) -m venv '$(VENV)'; \
fi; \
touch '$(VENV)/.installing'; rm -f '$(VENV)'/.installed-*; \
echo 'Installing into $(VENV); the first time takes some minutes.'; \
$(PIP) install --quiet --constraint constraints.txt --editable '.$(1)'; \
touch '$@' $(2); \
rm '$(VENV)/.installing'
endef

$(RUN): pyproject.toml constraints.txt
	$(call install,,)

$(SOME): pyproject.toml constraints.txt
	$(call install,[test$(comma)notebook$(EXTRA)],'$(RUN)')

$(ALL): pyproject.toml constraints.txt
	$(call install,[test$(comma)notebook$(comma)reference$(EXTRA)],'$(RUN)' '$(SOME)')

# The newest versions that pyproject.toml admits, of everything, without the labels
# that tell one build of the same version from another (torch 2.13.0+cpu).
constraints:
	@set -e; rm -rf build/constraints; $(PYTHON) -m venv build/constraints; \
	echo 'Installing the newest versions into build/constraints.'; \
	build/constraints/bin/python -m pip --disable-pip-version-check install --quiet \
	    --editable '.[test,notebook,reference,bench,spark]'; \
	build/constraints/bin/python -m pip --disable-pip-version-check freeze --all \
	    --exclude zoo-jax --exclude pip > build/versions; \
	{ echo '# Exact versions that CI ran. Written by `make constraints`.'; \
	  sed 's/+.*//' build/versions; } > constraints.txt; \
	rm -rf build/constraints build/versions

clean:
	@$(check_venv); rm -rf '$(VENV)' $(JUNK)
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
