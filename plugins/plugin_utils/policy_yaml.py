# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML text of a policy as plain values: bounded, without anything that Python would construct, and strict where YAML guesses.

Pure: touches nothing. PyYAML splits the text into events; the values are made here, so that keys that stand there twice, aliases that
multiply, and words that YAML reads as something else than they say (``022`` is 18, ``22:22`` is 1342) are refused with their line.
"""

from __future__ import annotations

import re
import typing as t

import yaml  # type: ignore[import-untyped]

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.bounds import MAX_DEPTH, MAX_VALUES
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError, key_text

# The parser in C is about ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: t.Dict[str, t.Any] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
for _word, _value in (("yes", True), ("true", True), ("on", True), ("no", False), ("false", False), ("off", False)):
    _WORDS.update(dict.fromkeys((_word, _word.capitalize(), _word.upper()), _value))
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,40})\Z", re.ASCII)
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?\Z", re.ASCII)
#: What YAML 1.1 takes for a number though it does not look like one: octal, binary, hexadecimal, underscores, base 60.
_ODD_NUMBER = re.compile(r"[-+]?(0[0-9_]+|0b[01_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*_[0-9_]*|[1-9][0-9_]*(:[0-5]?[0-9])+)\Z", re.ASCII)
_STR = "tag:yaml.org,2002:str"
_MERGE = "<<"


class _Anchor(t.NamedTuple):
    value: t.Any
    values: int


def values_of(text: str, name: str) -> t.Any:
    """Return the one document in ``text`` as dicts, lists, texts, numbers, booleans and None.

    ``name`` is what errors call the text.

    :raises PolicyError: for anything that is not one such document; its place is ``name:line``.
    """
    loader = None
    try:
        loader = _LOADER(text)
        return _Builder(loader, name).document()
    except yaml.MarkedYAMLError as exc:
        raise _syntax_error(exc, text, name) from None
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1 if isinstance(exc.position, int) else 1
        hint = "control characters are refused; is this a text file?"
        raise PolicyError("%s:%d" % (name, line), "(the character %s)" % _character(exc.character), "printable text", hint) from None
    finally:
        if loader is not None:
            loader.dispose()


class _Builder:
    def __init__(self, loader: t.Any, name: str) -> None:
        self._next = loader.get_event
        self._name = name
        self._anchors: t.Dict[str, t.Optional[_Anchor]] = {}
        self._values = 0

    def document(self) -> t.Any:
        self._next()
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            return None
        value = self._value(self._next(), 0)
        self._next()
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._error(event, "(a second document)", "one document in a file", "remove the line --- before it")
        return value

    def _value(self, event: t.Any, depth: int) -> t.Any:
        self._values += 1
        if self._values > MAX_VALUES:
            hint = "an alias counts as all the values it stands for"
            raise self._error(event, "(more than %d values)" % MAX_VALUES, "a policy document of at most %d values" % MAX_VALUES, hint)
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._alias(event)
        anchor, before = event.anchor, self._values
        if anchor is not None:
            self._anchors[anchor] = None
        if kind is yaml.ScalarEvent:
            value = self._scalar(event)
        else:
            if depth >= MAX_DEPTH:
                raise self._error(event, "(values inside each other more than %d levels deep)" % MAX_DEPTH, "a policy document")
            if event.tag is not None:
                raise self._tag(event)
            value = self._list(depth) if kind is yaml.SequenceStartEvent else self._mapping(depth)
        if anchor is not None:
            self._anchors[anchor] = _Anchor(value, self._values - before + 1)
        return value

    def _alias(self, event: t.Any) -> t.Any:
        if event.anchor not in self._anchors:
            hint = "put a word that starts with * in quotes"
            raise self._error(event, "*" + event.anchor, "an alias of an anchor (&%s) that stands before it" % event.anchor, hint)
        known = self._anchors[event.anchor]
        if known is None:
            raise self._error(event, "*" + event.anchor, "a value that does not contain itself")
        self._values += known.values - 1
        return known.value

    def _list(self, depth: int) -> t.List[t.Any]:
        items: t.List[t.Any] = []
        event = self._next()
        while not isinstance(event, yaml.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
            event = self._next()
        return items

    def _mapping(self, depth: int) -> t.Dict[t.Any, t.Any]:
        found: t.Dict[t.Any, t.Any] = {}
        lines: t.Dict[t.Any, int] = {}
        merged: t.Dict[t.Any, t.Any] = {}
        event = self._next()
        while not isinstance(event, yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._error(
                    event, "(a list, a mapping or an alias as a key)", "a word as a key", "put a key that starts with * in quotes"
                )
            if event.value == _MERGE and event.implicit[0]:
                merged.update(self._merged(self._next(), depth))
                event = self._next()
                continue
            key = self._scalar(event)
            if not isinstance(key, (str, int)) or isinstance(key, bool):
                said = "YAML reads %s as %s; put the key in quotes" % (event.value or "nothing", str(key).lower())
                raise self._error(event, event.value, "a word as a key", said)
            if key in found:
                hint = "it stands in line %d already; remove one of them" % lines[key]
                raise self._error(event, "(key %s again)" % key_text(key), "each key once in a mapping", hint)
            lines[key] = event.start_mark.line + 1
            found[key] = None
            found[key] = self._value(self._next(), depth + 1)
            event = self._next()
        if merged:
            merged.update(found)
            return merged
        return found

    def _merged(self, event: t.Any, depth: int) -> t.Dict[t.Any, t.Any]:
        value = self._value(event, depth + 1)
        parts = value if isinstance(value, list) else [value]
        found: t.Dict[t.Any, t.Any] = {}
        for part in reversed(parts):
            if not isinstance(part, dict):
                raise self._error(event, part, "an alias of a mapping, or a list of them, after <<")
            found.update(part)
        return found

    def _scalar(self, event: t.Any) -> t.Any:
        word: str = event.value
        if event.tag is not None and event.tag not in ("!", _STR):
            raise self._tag(event)
        if not event.implicit[0] or event.tag is not None:
            return word
        if word in _WORDS:
            return _WORDS[word]
        if word[:1] in "+-.0123456789":
            if _INT.match(word):
                return int(word)
            if _FLOAT.match(word):
                return float(word)
            if _ODD_NUMBER.match(word):
                hint = (
                    "YAML reads it as another number; put it in quotes, or write the number without leading zeros, colons and underscores"
                )
                raise self._error(event, word, "a decimal number", hint)
        return word

    def _tag(self, event: t.Any) -> PolicyError:
        tag = event.tag
        hint = "write plain values"
        if tag == "!vault":
            hint = "encrypt the whole file, or put the document into a variable"
        elif tag.startswith("!") and not tag.startswith("!!"):
            hint = "put words that start with ! in quotes: '%s'" % (tag if len(tag) < 50 else "!...")
        return self._error(event, tag, "values without tags", hint)

    def _error(self, event: t.Any, found: t.Any, allowed: str, hint: str = "") -> PolicyError:
        return PolicyError("%s:%d" % (self._name, event.start_mark.line + 1), found, allowed, hint)


def _character(found: t.Any) -> str:
    code = found if isinstance(found, int) else ord(found[:1] or "\0") if isinstance(found, (str, bytes)) else 0
    return "U+%04X" % code


def _syntax_error(exc: yaml.MarkedYAMLError, text: str, name: str) -> PolicyError:
    """Say what PyYAML says, with the usual reason where the text shows it."""
    mark = exc.problem_mark or exc.context_mark
    line = mark.line if mark is not None else 0
    written = text.splitlines()[line : line + 1]
    shown = written[0] if written else ""
    here = shown[mark.column : mark.column + 1] if mark is not None else ""
    said = exc.problem or exc.context or "it is not valid YAML"
    hint = "YAML: %s" % said
    if here == "\t" or shown[: len(shown) - len(shown.lstrip())].count("\t"):
        hint = "indent with spaces; YAML does not allow tabs there"
    elif here in ("@", "`", "%"):
        hint = 'put words that start with %s in quotes: "%s..."' % (here, here)
    elif "mapping values are not allowed" in said:
        hint = "put text that has a colon in quotes, and look at the indentation of this line and the one before it"
    elif "escape" in said:
        hint = "in double quotes a backslash starts an escape; use single quotes"
    elif "did not find expected" in said or "expected <block end>" in said or "could not find expected" in said:
        hint = "look at the indentation, the quotes and the brackets of this line and of those before it; YAML: %s" % said
    return PolicyError("%s:%d" % (name, line + 1), shown.strip() or "(the end of the file)", "YAML", hint)
