#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Roles, playbooks and metadata, at the strictest profile.
set -eu
# In the copy, under the name of the collection: elsewhere our own modules are unknown.
cd "$COLLECTION"
export ANSIBLE_COLLECTIONS_PATH=$COLLECTIONS ANSIBLE_HOME=$COLLECTIONS/.ansible
exec ansible-lint --profile production --offline --strict
