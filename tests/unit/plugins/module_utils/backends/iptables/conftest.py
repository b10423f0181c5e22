# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The namespace of each variant for the tests of this folder."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.backend import Iptables
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import (
    VARIANTS,
    NamespaceHost,
    refuse_reason,
)


@pytest.fixture(params=VARIANTS)
def host(request):
    """A fresh namespace with one variant of iptables as the default."""
    if refuse_reason() is not None:
        pytest.skip(refuse_reason())
    namespace = NamespaceHost(request.param)
    yield namespace
    namespace.close()


@pytest.fixture
def backend(host):
    """The backend on that host."""
    return Iptables(host)
