#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The changelog and the fragments of the next release.
set -eu
cd "$COLLECTION"
antsibull-changelog lint
antsibull-changelog lint-changelog-yaml --no-semantic-versioning changelogs/changelog.yaml
