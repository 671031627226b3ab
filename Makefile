# Everything a newcomer or a contributor needs. All of it works on a bare machine with
# Python 3.11, git and make, as root or not; `tools/setup` fetches the rest.

.DEFAULT_GOAL := help
.PHONY: help run test check coverage bench docs wheel clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Set up and start the server on http://127.0.0.1:3000, without any configuration
	@tools/setup run
	@tools/serve

test: ## Set up and check everything: style, types, layers, reference pages, all tests
	@tools/setup dev
	@.venv/bin/python tools/check.py

check: ## The fast part of `make test`
	@tools/setup dev
	@.venv/bin/python tools/check.py --fast

coverage: ## Measure the branch coverage of the core; fails below the limit in pyproject.toml
	@tools/setup dev
	@.venv/bin/coverage erase
	@.venv/bin/coverage run -m pytest -q --inline-snapshot=disable --timeout=120 \
		tests/unit tests/conformance tests/interaction/agent
	@.venv/bin/coverage combine --quiet
	@.venv/bin/coverage report

bench: ## Measure against the figures in the design; results go to bench/results/
	@tools/setup dev
	@.venv/bin/python -m bench --save

docs: ## Write docs/reference/ anew from the code
	@tools/setup dev
	@.venv/bin/python -m docs.generate

wheel: ## Build the package into dist/
	@tools/setup wheel

clean: ## Remove what the commands above made, but for .run/, which holds your work
	rm -rf .venv .tools dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
