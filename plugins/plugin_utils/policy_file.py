# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a policy file on the control node, and finding the line of a place in it.

Reads one file; touches nothing else. A file that is encrypted with Ansible Vault is decrypted by the caller, who then has text.
"""

from __future__ import annotations

import os
import stat
import typing as t

import yaml  # type: ignore[import-untyped]
from ansible.errors import AnsibleError

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError, PolicyError
from ansible_collections.holdfast.firewall.plugins.plugin_utils.policy_yaml import values_of

MAX_BYTES = 16 << 20
#: The options that take a document as text, and those that take the path of a file in their place.
SOURCES = {"policy": "src", "other": "other_src"}
#: What is said of an expression in a file.
NO_TEMPLATE = (
    "a file is not a template; to fill it in, give it as policy: \"{{ lookup('ansible.builtin.template', 'web.yml') | from_yaml }}\""
)
_VAULT = "$ANSIBLE_VAULT;"


def load_policy_file(path: str, name: t.Optional[str] = None) -> t.Any:
    """Return the document in a file: a mapping or a list of plain values, not yet parsed as a policy.

    ``name`` is what errors call the file, where it is a copy (decrypted) of the one that people know.

    :raises PolicyError: when it cannot be read, is too large, encrypted, or not such a document; where a line is at fault, the place is
        ``name:line``.
    """
    return load_policy_text(read_policy_text(path), name or os.path.basename(path))


def load_policy_text(text: str, name: str = "policy") -> t.Any:
    """Return the document in a text; ``name`` is what errors call it.

    :raises PolicyError: as ``load_policy_file``.
    """
    if len(text) > MAX_BYTES:
        raise _too_large(name, len(text))
    if is_encrypted(text):
        raise PolicyError(name, "(a file that is encrypted with Ansible Vault)", "YAML", "give the vault password to Ansible")
    data = values_of(_plain(text), name)
    if not isinstance(data, (dict, list)):
        found = "(nothing)" if data is None else data
        raise PolicyError(name, found, "a mapping (defaults, rules, ...) or a list of rules", _hint(data, name))
    return data


def read_source(action: t.Any, source: str, option: str) -> str:
    """Return the text of a file that an option of a task names, perhaps from a vault.

    :param action: the action plugin of the task, which knows where the files of its play are.
    :raises HoldfastError: when it cannot be read.
    """
    if not source.strip():
        raise PolicyError(option, source, "the path of a file on the control node")
    try:
        path = action._find_needle("files", source) if not os.path.isabs(source) else source
        if os.path.isdir(path):
            return read_policy_text(path)  # says that it is a folder
        readable = action._loader.get_real_file(path, decrypt=True)
    except AnsibleError as exc:
        # Ansible's hint at an option that our modules do not have is left out.
        said = " ".join(str(exc).split()).split(" on the Ansible Controller", 1)[0]
        raise HoldfastError("%s: the file %s cannot be read on the control node: %s" % (option, source, said)) from None
    try:
        return read_policy_text(readable)
    finally:
        action._loader.cleanup_tmp_file(readable)


def read_policy_text(path: str) -> str:
    """Return the text of a regular file of at most MAX_BYTES bytes.

    :raises PolicyError: when it cannot be read, is too large or not UTF-8.
    """
    name = os.path.basename(path) or path
    try:
        # A pipe or a device would be read for ever.
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise PolicyError(name, path, "a file", "it is a folder" if stat.S_ISDIR(found.st_mode) else "it is no regular file")
        if found.st_size > MAX_BYTES:
            raise _too_large(name, found.st_size)
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        raise PolicyError(name, path, "a file that can be read", getattr(exc, "strerror", None) or str(exc)) from None
    if len(data) > MAX_BYTES:
        raise _too_large(name, len(data))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise PolicyError("%s:%d" % (name, line), "(the byte %#04x)" % data[exc.start], "text in UTF-8", "save the file as UTF-8") from None


def _hint(data: t.Any, name: str) -> str:
    """Return what is wrong with a text that is no document; an option's name says that it is no file."""
    if name in SOURCES:
        if data is None:
            return "the text is empty"
        return "the path of a file goes into %s" % SOURCES[name] if isinstance(data, str) else "it is one value only"
    return "the file is empty" if data is None else "the file holds one value only"


def _plain(text: str) -> str:
    """Return a text as Python's own type: Ansible's texts are subclasses, which the parser in C refuses."""
    return str.__str__(text)


def is_encrypted(text: str) -> bool:
    """Return whether Ansible Vault has encrypted the text."""
    return text.startswith(_VAULT)


def line_of(text: str, place: str, root: str = "policy") -> t.Optional[int]:
    """Return the line (from 1) on which a place of a document stands, or the nearest one around it.

    :param place: as in a PolicyError, ``policy.rules[3].port[1]``.
    :returns: None when the text is no YAML or the place is not in this document.
    """
    if not place.startswith(root):
        return None
    try:
        return _Lines(text, place).find(root)
    except yaml.YAMLError:
        return None


def with_line(error: PolicyError, text: str, name: str) -> PolicyError:
    """Return the error of a document with its line in the text it came from: ``policy.rules[3].port (site.yml:17): found ...``."""
    line = line_of(text, error.place)
    if "{{" in error.details["found"] and name not in SOURCES:
        error = error.hinted(NO_TEMPLATE)
    return error if line is None else error.at("%s (%s:%d)" % (error.place, name, line))


class _Lines:
    """Follows one place through the events of a text."""

    def __init__(self, text: str, place: str) -> None:
        self._events = yaml.parse(_plain(text), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self._place = place
        self._line: t.Optional[int] = None

    def find(self, root: str) -> t.Optional[int]:
        for event in self._events:
            if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                self._follow(event, root)
                break
        return self._line

    def _follow(self, opening: t.Any, path: str) -> None:
        """Look into a list or mapping that is on the way."""
        if self._line is None:
            self._line = opening.start_mark.line + 1
        is_list = isinstance(opening, yaml.SequenceStartEvent)
        for number, event in enumerate(self._events):
            if isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                return
            inner = "%s[%d]" % (path, number) if is_list else "%s.%s" % (path, getattr(event, "value", ""))
            line = event.start_mark.line + 1
            if not is_list:
                event = next(self._events)
            if self._place == inner or self._place.startswith((inner + ".", inner + "[")):
                self._line = line
                if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                    self._follow(event, inner)
                return
            self._skip(event)

    def _skip(self, event: t.Any) -> None:
        depth = 0
        while True:
            if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                depth += 1
            elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                depth -= 1
            if not depth:
                return
            event = next(self._events)


def _too_large(name: str, size: int) -> PolicyError:
    return PolicyError(name, "(%d bytes)" % size, "a file of at most %d bytes" % MAX_BYTES, "put rules that many hosts share into sets")
