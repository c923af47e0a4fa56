# make               this help
# make demo          compress three photographs and compare with PNG, WebP and JPEG XL
# make native        build the library in mulanzip/native
# make web           build what the page in web/ needs: mulanzip.wasm, and the models beside it
# make quick         check style and types, run the tests that take no longer than a second or two each
# make test          check style and types, run all tests
# make test-lowest   run the quick tests with the lowest versions of the dependencies that pyproject.toml allows
# make test-newest   run the quick tests with the newest ones
# make fuzz          feed broken files to everything that reads files, until Ctrl-C (guided by atheris where it installs)
# make clean         remove all that the other targets made

PYTHON ?= python3
EXTRAS := bench,gaussian,test
BIN := .venv/bin
LIBRARY := mulanzip/native/libmulanzip.so
READY := .venv/ready
LOWEST := .venv-lowest/bin
NEWEST := .venv-newest/bin
PYTEST := python -m pytest -n 2 --dist loadgroup

help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile

$(READY): pyproject.toml constraints.txt setup.py native_build.py
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	touch $(READY)

# Installing builds it, too; this builds it again when a source changes.
$(LIBRARY): $(wildcard mulanzip/native/*.[ch]) | $(READY)
	$(BIN)/python setup.py --quiet build_ext --inplace
	touch $@

native: $(LIBRARY)

web: $(READY)
	$(BIN)/python -m pip install --quiet ziglang
	$(BIN)/python web_build.py

# uv finds the lowest versions of the direct dependencies; pip, what these need.  torch is left out and stays as in
# constraints.txt: older ones come with gigabytes of CUDA, or not at all, on many indices.
.venv-lowest/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-lowest
	$(LOWEST)/python -m pip install --quiet --upgrade pip uv
	$(LOWEST)/uv pip compile --quiet --resolution lowest-direct --no-deps --no-emit-package torch \
		--extra bench --extra gaussian --extra test -o .venv-lowest/lowest.txt pyproject.toml
	$(LOWEST)/python -m pip install --quiet -c constraints.txt -c .venv-lowest/lowest.txt -e '.[$(EXTRAS)]'
	touch .venv-lowest/ready

# Made anew each time: the index may have newer versions since.  Of the constraints only torch is kept; PIN= lets go of it.
PIN ?= $(shell grep '^torch==' constraints.txt)
newest:
	$(PYTHON) -m venv --clear .venv-newest
	$(NEWEST)/python -m pip install --quiet --upgrade pip
	$(NEWEST)/python -m pip install --quiet $(PIN) -e '.[$(EXTRAS)]'

demo: $(READY) $(LIBRARY)
	$(BIN)/python -m benchmarks.demo

check: $(READY) $(LIBRARY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

quick: check
	$(BIN)/$(PYTEST) -m 'not slow'

test: check
	$(BIN)/$(PYTEST)

test-lowest: .venv-lowest/ready
	$(LOWEST)/$(PYTEST) -m 'not slow'

test-newest: newest
	$(NEWEST)/$(PYTEST) -m 'not slow'

fuzz: $(READY)
	mkdir -p fuzz-output
	$(BIN)/$(PYTEST) -m 'not slow' --hypothesis-profile random
	if $(BIN)/python -m pip install --quiet atheris; \
	then PYTHONPATH=tests $(BIN)/python -m fuzz.guided fuzz-output; \
	else PYTHONPATH=tests $(BIN)/python -m fuzz --folder fuzz-output --seed $$$$; fi

clean:
	rm -rf .venv .venv-lowest .venv-newest build dist *.egg-info demo-output fuzz-output web/models $(LIBRARY)

.PHONY: help demo native web check quick test newest test-lowest test-newest fuzz clean
