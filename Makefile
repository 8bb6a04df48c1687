# make demo   everything from nothing to predictions on a rendered video
# make test   everything from nothing through the quick tests: every edit
# make check  the slower tests: before merging, after make test
# make nightly   the checks that take longer: fuzzing, very large images, oldest and newest torch
# make lint, types, format   style and types, and mending the style: every commit
# make docs   the documentation, in build/docs
# make sanitize  the tests of phasenet under AddressSanitizer and UndefinedBehaviorSanitizer
# make wheel-check  a wheel and a source archive, installed and used in fresh environments, of
#                   PYTHONS (python3.12@2.10.0: an interpreter and its torch), else of this one
# make torch-check  everything built from source and tried with each torch of VERSIONS, in
#                   environments of their own (python3.12@2.11.0: an interpreter and its torch)
# make gpu-check  what needs a GPU, where there is one
# make clean  removes what make has built, the environment too
# Variables: PYTHON (3.10 or newer), VENV (where the environment goes), OUT (the folder of the demo,
# or of gpu-check).
PYTHON ?= python3
VENV ?= .venv
OUT ?= demo-out
VERSIONS ?= 2.10.0 2.11.0 2.14.1

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PACKAGE := setup.py pyproject.toml constraints.txt $(shell find csrc phasenet mimamo -type f \
	-not -name '*.so' -not -name '*.pyc' -not -name build_info.json)
CPP := $(shell find csrc tests benchmarks -name "*.cpp" -o -name "*.h" -o -name "*.inl" -o -name "*.cu" \
	-o -name "*.cuh")

.PHONY: demo test check docs nightly sanitize wheel-check torch-check gpu-check lint types format clean

demo: $(VENV)/.package
	$(BIN)/mimamo demo --out $(OUT)

test: lint $(VENV)/.package
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 -m "not slow and not nightly"

check: lint types $(VENV)/.package
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 -m "slow and not nightly"

nightly: $(VENV)/.tests $(VENV)/.package
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile -m nightly; status=$$?; \
	$(BIN)/python tests/support/torch_check.py $(VERSIONS) && exit $$status

sanitize: $(VENV)/.tests
	OMP_NUM_THREADS=2 $(BIN)/python tests/support/sanitize.py

lint: $(VENV)/.tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(CPP)

types: $(VENV)/.tests
	$(BIN)/mypy

docs: $(VENV)/.tests $(VENV)/.package
	$(BIN)/sphinx-build -W --keep-going -q -b html docs build/docs
	@echo "docs: build/docs/index.html"

wheel-check: $(VENV)/.tests
	$(BIN)/python tests/support/wheel_check.py $(PYTHONS)

torch-check: $(VENV)/.tests
	$(BIN)/python tests/support/torch_check.py $(VERSIONS)

# With PYTHON's own torch: nothing is installed. Records, a table and logs go to OUT.
gpu-check: OUT = gpu-check-out
gpu-check: SECONDS = 480
gpu-check:
	@$(PYTHON) -m benchmarks.gpu_check --out "$(OUT)" --seconds $(SECONDS)

format: $(VENV)/.tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

# torch comes first and the package is then built against it, so that it is fetched only once.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) 'torch>=2.10' numpy 'setuptools>=77' ninja
	touch $@

$(VENV)/.package: $(VENV)/.torch $(PACKAGE)
	$(PIP) --no-build-isolation .
	touch $@

# Once, and not after every edit: style and types need no build.
$(VENV)/.tests: pyproject.toml $(VENV)/.torch
	$(PIP) --no-build-isolation '.[test,lint,docs]'
	touch $(VENV)/.package $@

clean:
	rm -rf build $(VENV) phasenet/libphasenet_*.so phasenet/build_info.json *.egg-info
