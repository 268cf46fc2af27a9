# make test: style, types and tests in an own .venv; the dependencies are installed when pyproject.toml changed.

.DELETE_ON_ERROR:
.PHONY: test docs benchmark package clean

VENV := .venv
STAMP := $(VENV)/installed
export PYTHONDONTWRITEBYTECODE := 1

test: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest $(ARGS)

docs: $(STAMP)
	$(VENV)/bin/python scripts/docs.py

package: $(STAMP)
	$(VENV)/bin/python scripts/package.py
	$(VENV)/bin/python -m pytest -q tests/test_distribution.py

benchmark: $(STAMP)
	$(VENV)/bin/python benchmarks/run.py $(ARGS)

$(STAMP): pyproject.toml
	@python=$$(for name in $(PYTHON) python3.14 python3.13 python3.12 python3.11 python3 python; do \
		"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done); \
	test -n "$$python" || { echo "no Python 3.11 or newer found; name one: make PYTHON=/path/to/python"; exit 1; }; \
	"$$python" -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@

clean:
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
