# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Mac of stand-in commands for unit tests, and what tests of its application firewall share."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.macos.rules import rule_of
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.macos.state import TOOL
from ansible_collections.holdfast.firewall.plugins.module_utils.host import Result
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import NativeLines, Policy
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import StandinHost, programs
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import COMMENTS

APP, OTHER = "/Applications/My App (2).app", "/usr/local/bin/it's $HOME"


class MacHost(StandinHost):
    """Two programs are there; ``mode`` changes the words and the mood of the stand-in."""

    def __init__(self, folder, mode=""):
        super().__init__(folder, "macos")
        (folder / "alf.mode").write_text(mode, encoding="ascii")
        for path in (APP, OTHER):
            self.write(path, "")

    def run(self, argv, stdin=None, timeout=60.0):
        if list(argv[:2]) == ["readlink", "-f"]:
            return Result(0, "/%s\n" % self._path(argv[2]).resolve().relative_to(self.root.resolve()), "")
        argv = ["socketfilterfw" if argv[0] == TOOL else argv[0], *argv[1:]]
        return super().run(argv, stdin, timeout)

    def which(self, program):
        return program if program in (TOOL, "socketfilterfw") else super().which(program)

    def shell(self, script, folder):
        installed = programs("macos").split("/usr/sbin:")[0]
        return super().shell(script.replace(TOOL, installed + TOOL), folder)

    def fw(self, *words):
        """Set something as an administrator would."""
        return self.run([TOOL, *words]).out

    def kept(self):
        """What the firewall holds, without the order of its list."""
        state = json.loads((self.folder / "alf.json").read_text(encoding="utf-8"))
        return dict(state, apps=sorted(state["apps"]))

    def changes(self):
        """The calls of the tool that set something."""
        return [" ".join(call[1:]) for call in self.calls if call[0] == "socketfilterfw" and call[1][:5] not in ("--get", "--lis")]


_PATHS = st.builds(
    lambda folder, name: "/%s/%s" % (folder, name),
    st.sampled_from(["Applications", "usr/local/bin", "opt/a b"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_characters='/"<>|?*\x7f', exclude_categories=("Cc",)), min_size=1,
            max_size=20).map(lambda text: text.strip()).filter(lambda text: text.isprintable() and text not in ("", ".", "..")),
)  # fmt: skip
_SETTINGS = ("--setstealthmode", "--setallowsigned", "--setallowsignedapp", "--setloggingmode")


@st.composite
def app_policies(draw):
    """A random policy for programs, as a document may have it."""
    paths = [one for one in draw(st.lists(_PATHS, max_size=6, unique=True)) if not one.rpartition("/")[2].startswith("sshd")]
    rules = [rule_of(path, draw(st.sampled_from(["allow", "deny"])), draw(st.one_of(st.none(), COMMENTS))) for path in paths]
    lines = ["%s %s" % (one, draw(st.sampled_from(["on", "off"]))) for one in _SETTINGS if draw(st.booleans())]
    defaults = {
        "in": "allow",
        "out": draw(st.sampled_from(["allow", "unmanaged"])),
        "forward": draw(st.sampled_from(["allow", "unmanaged"])),
    }
    return Policy(tuple(rules), defaults, native={"macos": NativeLines({"any": tuple(lines)}, {})} if lines else {})
