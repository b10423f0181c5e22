#!/bin/sh
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# What an administrator of ufw types; ufw denies the rest.
set -e
ufw --force reset
rm -f /etc/ufw/*.2*
ufw allow 22/tcp comment 'by the administrator'
ufw allow 7443/tcp
ufw --force enable
