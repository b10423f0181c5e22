# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy files: what YAML is read as, what is refused with its line, and that nothing takes long."""

from __future__ import annotations

import os
import random
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.plugin_utils import policy_yaml
from ansible_collections.holdfast.firewall.plugins.plugin_utils.policy_file import (
    MAX_BYTES,
    is_encrypted,
    line_of,
    load_policy_file,
    load_policy_text,
    with_line,
)
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import random_policy

BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    "%s: &%s [%s]\n" % (name, name, ", ".join(["*" + before] * 10)) for before, name in zip("abcdefgh", "bcdefghi")
)
BAD_FILES = {
    "empty": ("", "site.yml", "the file is empty"),
    "only comments": ("# nothing\n", "site.yml", "the file is empty"),
    "one value": ("allow\n", "site.yml", "one value only"),
    "a tab": ("rules:\n\t- action: allow\n", "site.yml:2", "not allow tabs"),
    "a tab after blanks": ("rules:\n  - action: allow\n  \tport: 22\n", "site.yml:3", "not allow tabs"),
    "a key twice": ("rules:\n  - action: allow\n    port: 22\n    action: deny\n", "site.yml:4", "line 2 already"),
    "a section twice": ("rules: []\nnat: []\nrules: []\n", "site.yml:3", "(key rules again)"),
    "a set without quotes": ("rules:\n  - action: allow\n    source: @office\n", "site.yml:3", "put words that start with @ in quotes"),
    "a bang without quotes": ("rules:\n  - action: allow\n    source: !10.0.0.1\n", "site.yml:3", "'!10.0.0.1'"),
    "a colon in text": ("rules:\n  - comment: a: b\n", "site.yml:2", "has a colon in quotes"),
    "a quote that does not end": ("rules:\n  - comment: 'a\n", "site.yml:3", "unexpected end"),
    "a bracket that does not end": ("rules: [\n  {action: allow},\n", "site.yml:3", "YAML"),
    "wrong indentation": ("rules:\n  - action: allow\n   port: 22\n", "site.yml:3", "indentation"),
    "a backslash in double quotes": ('rules:\n  - comment: "a\\d"\n', "site.yml:2", "single quotes"),
    "octal": ("rules:\n  - action: allow\n    port: 022\n", "site.yml:3", "without leading zeros"),
    "base sixty": ("rules:\n  - action: allow\n    port: 22:22\n", "site.yml:3", "colons"),
    "hexadecimal": ("rules:\n  - {port: 0x50}\n", "site.yml:2", "decimal number"),
    "underscores": ("rules:\n  - {port: 1_000}\n", "site.yml:2", "underscores"),
    "a key that YAML takes for a boolean": ("address_sets:\n  no: [10.0.0.1]\n", "site.yml:2", "reads no as false; put the key in quotes"),
    "a key of nothing": ("address_sets:\n  ~: [10.0.0.1]\n", "site.yml:2", "put the key in quotes"),
    "a list as a key": ("? [a]\n: 1\n", "site.yml:1", "a word as a key"),
    "a second document": ("rules: []\n---\nrules: []\n", "site.yml:2", "remove the line ---"),
    "an unknown alias": ("rules: *all\n", "site.yml:1", "*all"),
    "an alias of itself": ("rules: &a [*a]\n", "site.yml:1", "does not contain itself"),
    "aliases that multiply": (BOMB, "site.yml:7", "more than 4000000 values"),
    "a merge of a list": ("rules:\n  - <<: 3\n", "site.yml:2", "an alias of a mapping"),
    "an object of Python": ("rules: !!python/object/apply:os.system ['ls']\n", "site.yml:1", "values without tags"),
    "a vaulted value": ("rules: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n", "site.yml:1", "encrypt the whole file"),
    "a NUL": ("rules: []\n# \0\n", "site.yml:2", "U+0000"),
    "deep nesting": ("[" * 100000, "site.yml:1", "levels deep"),
    "deep mappings": ("{a: " * 50000, "site.yml:1", "levels deep"),
    "encrypted": ("$ANSIBLE_VAULT;1.1;AES256\n3132\n", "site.yml", "vault password"),
}


@pytest.fixture(params=["C", "Python"])
def loader(request, monkeypatch):
    """Each of PyYAML's two parsers; the one in C is not everywhere."""
    if request.param == "Python":
        monkeypatch.setattr(policy_yaml, "_LOADER", yaml.SafeLoader)
    elif not yaml.__with_libyaml__:
        pytest.skip("PyYAML has no parser in C here")


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(("text", "place", "says"), list(BAD_FILES.values()), ids=list(BAD_FILES))
def test_a_bad_file_is_refused_at_its_line(text, place, says):
    started = time.process_time()
    with pytest.raises(PolicyError) as caught:
        load_policy_text(text, "site.yml")
    assert says.lower() in caught.value.msg.lower()
    # The two parsers name the end or the start of what is open.
    assert caught.value.place.startswith(place.rpartition(":")[0] or place)
    if "end" not in says and says != "YAML":
        assert caught.value.place == place
    assert len(caught.value.msg) < 500
    assert time.process_time() - started < 10


@pytest.mark.usefixtures("loader")
def test_values_are_those_that_ansible_reads():
    text = """
a: [yes, No, TRUE, off, ~, null, "yes", 'no', 7, -7, 0, 1.5, 10.0.0.1, "2001:db8::1", 2001:db8::1, 10.0.0.0/8, 80-90, y, 1e5, !!str 22]
b: >
  folded
  text
c: |
  line
  line
d:
e: 22:80
"""
    with_ansible = yaml.safe_load(text)
    assert load_policy_text(text) == with_ansible
    assert [type(one) for one in load_policy_text(text)["a"]] == [type(one) for one in with_ansible["a"]]


def test_a_date_stays_text():
    assert load_policy_text("name: 2026-01-31\n") == {"name": "2026-01-31"}


@pytest.mark.usefixtures("loader")
def test_anchors_aliases_and_merges():
    text = """
web: &web {action: allow, port: 80}
rules:
  - *web
  - <<: *web
    port: 443
  - {action: deny, <<: [*web, {port: 1, comment: x}]}
"""
    assert load_policy_text(text)["rules"] == [
        {"action": "allow", "port": 80},
        {"action": "allow", "port": 443},
        {"action": "deny", "port": 80, "comment": "x"},
    ]


PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.text(max_size=12), st.sampled_from(["yes", "022", "1:30", "0x1", "~"])
)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5), st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3), max_leaves=5), max_size=4
    )
)
def test_what_yaml_writes_is_read_back(document):
    text = yaml.safe_dump(document, allow_unicode=True)
    if yaml.safe_load(text) == document:
        assert load_policy_text(text) == document


@given(st.text(st.sampled_from("ab:- \n\t[]{}&*!|>'\"#%@`,?<0123~"), max_size=30))
def test_whatever_the_text_the_only_error_is_one_for_people(text):
    try:
        load_policy_text(text, "site.yml")
    except PolicyError as error:
        assert error.place.startswith("site.yml")
        assert error.msg.isprintable()


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(PolicyError, match=r"none\.yml: .*No such file"):
        load_policy_file(str(tmp_path / "none.yml"))
    with pytest.raises(PolicyError, match="It is a folder"):
        load_policy_file(str(tmp_path))
    pipe = tmp_path / "pipe.yml"
    os.mkfifo(str(pipe))
    with pytest.raises(PolicyError, match="It is no regular file"):
        load_policy_file(str(pipe))
    with pytest.raises(PolicyError, match="a file that can be read"):
        load_policy_file("a\0b")


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "latin.yml"
    path.write_bytes("name: x\ndescription: Büro\n".encode("latin-1"))
    with pytest.raises(PolicyError, match=r"latin\.yml:2: .*0xfc.* UTF-8"):
        load_policy_file(str(path))


def test_a_file_of_fifty_megabytes_is_not_even_read(tmp_path):
    path = tmp_path / "large.yml"
    with path.open("wb") as file:
        file.truncate(50 << 20)
    started = time.process_time()
    with pytest.raises(PolicyError, match="at most %d bytes" % MAX_BYTES):
        load_policy_file(str(path))
    assert time.process_time() - started < 0.5
    with pytest.raises(PolicyError, match="at most %d bytes" % MAX_BYTES):
        load_policy_text("#" * (MAX_BYTES + 1))


def test_a_file_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "site.yml"
    path.write_bytes(b"\xef\xbb\xbfrules: []\n")
    assert load_policy_file(str(path)) == {"rules": []}


def test_errors_call_a_copy_what_people_call_the_file(tmp_path):
    path = tmp_path / "tmpx1y2"
    path.write_text("rules: [\n")
    with pytest.raises(PolicyError, match=r"^site\.yml:"):
        load_policy_file(str(path), "site.yml")


def test_an_encrypted_file_is_known():
    assert is_encrypted("$ANSIBLE_VAULT;1.1;AES256\n")
    assert not is_encrypted("rules: []\n")


DOCUMENT = """\
# a site
defaults:
  in: deny
rules:
  - action: allow
    port: [22, 80,
           99999]
  - {action: deny, port: 23}
  - name: web

    source:
      - 10.0.0.1
      - 10.0.0.1/8
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("policy.rules[0].port[2]", 7),
        ("policy.rules[0].port", 6),
        ("policy.rules[1].port", 8),
        ("policy.rules[2].source[1]", 13),
        ("policy.rules[2].action", 9),
        ("policy.rules[10]", 4),
        ("policy.defaults.in", 3),
        ("policy", 2),
        ("elsewhere", None),
    ],
)
def test_the_line_of_a_place(place, line):
    assert line_of(DOCUMENT, place) == line


def test_the_error_of_a_document_has_its_line():
    with pytest.raises(PolicyError) as caught:
        parse_policy(load_policy_text(DOCUMENT))
    assert line_of(DOCUMENT, caught.value.place) == 7
    told = with_line(caught.value, DOCUMENT, "site.yml")
    assert told.msg.startswith("policy.rules[0].port[2] (site.yml:7): found 99999; allowed: a port number")
    assert with_line(PolicyError("elsewhere", 1, "x"), DOCUMENT, "site.yml").place == "elsewhere"


def test_ten_thousand_rules_are_loaded_in_little_time():
    document = random_policy(random.Random(5), rules=10000).as_dict()
    text = yaml.dump(document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
    started = time.process_time()
    assert load_policy_text(text) == document
    if yaml.__with_libyaml__:
        assert time.process_time() - started < 3


class Tagged(str):
    """Text as Ansible hands it over: its own subclass of Python's."""


def test_text_of_ansible_is_read_like_any_other():
    assert load_policy_text(Tagged("rules: []")) == {"rules": []}
    assert line_of(Tagged("rules:\n  - {port: 1}"), "policy.rules[0].port") == 2
