# SPDX-License-Identifier: GPL-3.0-or-later
#
# `make demo` sends pictures, `make test` runs the tests; each does all of its own set-up.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench docs companion clean

BIN := .venv/bin
DEMO := runs/demo
ARGS ?=

help:
	@echo 'make demo       send the sample pictures through GNU Radio with ADJSCC'
	@echo 'make test       run all tests (ARGS="-k crc" is handed to pytest)'
	@echo 'make check      lint, formatting, types'
	@echo 'make bench      time the stages, write bench.json'
	@echo 'make docs       the API reference, build/docs/index.html'
	@echo 'make companion  open GNU Radio Companion with the [SemCom] blocks'
	@echo 'make clean      remove caches and build products (not .venv, not runs/)'

setup:
	@scripts/setup.sh

demo: setup
	@rm -rf $(DEMO)
	@$(BIN)/ota_runner --radio loopback --scheme adjscc --output $(DEMO) $(ARGS)
	@echo 'The report: $(CURDIR)/$(DEMO)/report.html'

test: setup
	@QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: setup
	@scripts/check.sh

bench: setup
	@$(BIN)/python -m benchmarks $(ARGS)

docs: setup
	@$(BIN)/python -W ignore -m pdoc --docformat google --search --output-directory build/docs \
	    semcom_phy semcom_models gnuradio.semcom ota_runner '!.*qa_.*' '!.*conftest'
	@echo 'The API reference: $(CURDIR)/build/docs/index.html'

companion: setup
	@GRC_BLOCKS_PATH=gr-semcom/grc $(BIN)/python -m gnuradio.grc $(ARGS)

clean:
	@rm -rf build dist ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache
