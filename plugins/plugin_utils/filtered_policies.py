# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies and packets that a template hands to a filter. Touches nothing.

A document may be a mapping, a list of rules, or the text of either in YAML or JSON.
"""

from __future__ import annotations

import functools
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packets import Packet
from ansible_collections.holdfast.firewall.plugins.module_utils.change.analyze_request import packet_words
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.plugins.plugin_utils.policy_file import load_policy_text

_Filter = t.TypeVar("_Filter", bound=t.Callable[..., t.Any])


def with_errors_for_people(name: str) -> t.Callable[[_Filter], _Filter]:
    """Return a decorator that turns this collection's errors into those of filters, with the filter's name."""

    def decorate(function: _Filter) -> _Filter:
        @functools.wraps(function)
        def filtered(*args: t.Any, **options: t.Any) -> t.Any:
            try:
                return function(*args, **options)
            except HoldfastError as exc:
                raise AnsibleFilterError("holdfast.firewall.%s: %s" % (name, exc.msg)) from None

        return t.cast("_Filter", filtered)

    return decorate


def read_policy(value: t.Any, place: str = "policy") -> Policy:
    """Return the policy of a document.

    :param place: what errors call it.
    :raises HoldfastError: when it is not valid.
    """
    return parse_policy(load_policy_text(value, place) if isinstance(value, str) else value, place)


def read_packet(value: t.Any, place: str = "packet") -> Packet:
    """Return a packet from a mapping or from ``key=value`` words.

    :raises HoldfastError: when it is not valid.
    """
    return Packet.parse(packet_words(value, place) if isinstance(value, str) else value, place)
