# make         this help
# make demo    compress three photographs and compare with PNG, WebP and JPEG XL
# make test    check style and types, run all tests
# make fuzz    feed broken files to everything that reads files, until Ctrl-C (guided by atheris where it can be installed)
# make clean   remove what the other targets made

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[bench,gaussian,test]'
	touch $(READY)

demo: $(READY)
	$(BIN)/python -m benchmarks.demo

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadgroup

fuzz: $(READY)
	mkdir -p fuzz-output
	if $(BIN)/python -m pip install --quiet atheris; \
	then PYTHONPATH=tests $(BIN)/python -m fuzz.guided fuzz-output; \
	else PYTHONPATH=tests $(BIN)/python -m fuzz --folder fuzz-output --seed $$$$; fi

clean:
	rm -rf .venv build dist *.egg-info demo-output fuzz-output

.PHONY: help demo test fuzz clean
