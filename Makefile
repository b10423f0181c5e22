# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Each target sets up what it needs (tests/checks/setup.sh) and can be run again; the second time is fast.

.DEFAULT_GOAL := help
.PHONY: help setup demo test bench fuzz format clean
MAKEFLAGS += --no-print-directory

help:
	@echo "make demo     real hosts on this machine, one policy, and a lockout survived (dry run without root)"
	@echo "make test     every check that can run here; the summary says what was skipped and why"
	@echo "              STAGES=\"unit ruff\" picks stages: $$(sed -n '/^STAGES = /,/^)/s/^    "\(.*\)",$$/\1/p' tests/checks/run.py | xargs)"
	@echo "make bench    the measurements; SECTIONS=\"apply swap\" picks some"
	@echo "make fuzz     random policies on real kernels, 20,000 packets with their policies for each kind of Linux host, ufw and firewalld too"
	@echo "make format   lay out the Python files as the checks want them"
	@echo "make setup    install what the other targets need: Debian packages as root, Python packages in .venv"
	@echo "make clean    remove .venv and the caches of this tree"

setup:
	@bash tests/checks/setup.sh

demo: setup
	@bash tests/demo/demo.sh

test: setup
	@.venv/bin/python tests/checks/run.py $(STAGES)

bench: setup
	@.venv/bin/python tests/benchmarks/run.py $(SECTIONS)

fuzz: setup
	@pairs=$${HOLDFAST_POLICY_PAIRS:-20000}; HOLDFAST_POLICY_PAIRS=$$pairs HOLDFAST_UFW_PAIRS=$$pairs HOLDFAST_FIREWALLD_PAIRS=$$pairs \
		.venv/bin/pytest -q tests/integration/lab/test_front_end_ufw_packets.py tests/integration/lab/test_firewalld_packets.py \
		tests/integration/lab/test_policy_packets.py

format: setup
	@.venv/bin/python -m ruff check --quiet --fix-only .
	@.venv/bin/python -m ruff format .

clean:
	@rm -rf .venv .cache .ansible .hypothesis .mypy_cache .pytest_cache .ruff_cache tests/output
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
