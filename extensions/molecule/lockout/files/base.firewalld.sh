#!/bin/sh
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# What an administrator of firewalld types; the control node also reaches sshd over port 2022, and one port is open until the next boot.
set -e
rm -f /etc/firewalld/policies/holdfast-* /etc/firewalld/zones/public.xml*
firewall-cmd --reload
firewall-cmd --permanent --zone=public --set-target=DROP
firewall-cmd --permanent --zone=public --add-forward-port=port=2022:proto=tcp:toport=22
firewall-cmd --permanent --zone=public --add-rich-rule='rule port port=7443 protocol=tcp log prefix="by the administrator " accept'
firewall-cmd --reload
[ "$1" = boot ] || firewall-cmd --zone=public --add-port=7445/tcp
