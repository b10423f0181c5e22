#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The documentation of modules and plugins, and the guides.
set -eu
cd "$COLLECTION"
export ANSIBLE_COLLECTIONS_PATH=$COLLECTIONS ANSIBLE_HOME=$COLLECTIONS/.ansible
exec antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=self .
