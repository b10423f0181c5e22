# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with the files of ufw and the real iptables: a throw-away network namespace, and a folder of its own for the files."""

from __future__ import annotations

import os

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.tools import TOOLS
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.edit import complete_user_files
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.files import (
    AFTER,
    BEFORE,
    CONF,
    DEFAULTS,
    INIT,
    PREFIX,
    USER,
    Files,
    read_files,
)
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.loading import loaded_text
from ansible_collections.holdfast.firewall.plugins.module_utils.host import Result
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import NamespaceHost

SSH = "\n### tuple ### allow tcp 22 %s any %s in comment=6d7920737368\n-A %s-user-input -p tcp --dport 22 -j ACCEPT\n"
BEFORE_TEXT = """\
# before
*filter
:%(ufw)s-before-input - [0:0]
:%(ufw)s-before-output - [0:0]
:%(ufw)s-before-forward - [0:0]
# End required lines

-A %(ufw)s-before-input -i lo -j ACCEPT
-A %(ufw)s-before-output -o lo -j ACCEPT
-A %(ufw)s-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A %(ufw)s-before-input -m conntrack --ctstate INVALID -j DROP
-A %(ufw)s-before-input -p udp -d %(mdns)s --dport 5353 -j ACCEPT
%(more)sCOMMIT
"""
DISCOVERY_TEXT = "".join("-A ufw6-before-input -p icmpv6 --icmpv6-type %d -m hl --hl-eq 255 -j ACCEPT\n" % one for one in (135, 136))
AFTER_TEXT = "*filter\n:%(ufw)s-after-input - [0:0]\nCOMMIT\n"
INIT_TEXT = '#!/bin/sh\n# before.init\nset -e\ncase "$1" in\nstart)\n    ;;\nesac\n'
USER_TEXT = "*filter\n:%(ufw)s-user-input - [0:0]\n:%(ufw)s-user-output - [0:0]\n:%(ufw)s-user-forward - [0:0]\n### RULES ###\nCOMMIT\n"


class UfwHost(NamespaceHost):
    """The host; ``start`` loads its files as ufw does at boot."""

    def __init__(self, variant="nft", enabled=True):
        super().__init__(variant)
        texts = {CONF: "ENABLED=%s\nLOGLEVEL=low\n" % ("yes" if enabled else "no"), DEFAULTS: "IPV6=yes\n"}
        for family, network, mdns in ((4, "0.0.0.0/0", "224.0.0.251"), (6, "::/0", "ff02::fb")):
            words = {"ufw": PREFIX[family], "mdns": mdns, "more": DISCOVERY_TEXT if family == 6 else ""}
            texts.update({BEFORE[family]: BEFORE_TEXT % words, AFTER[family]: AFTER_TEXT % words, USER[family]: USER_TEXT % words})
            if enabled:
                head, mark, tail = texts[USER[family]].partition("### RULES ###\n")
                texts[USER[family]] = head + mark + SSH % (network, network, PREFIX[family]) + tail
        files = complete_user_files(Files(texts), (4, 6)) if enabled else Files(texts)
        for path, text in files.texts.items():
            self.write(path, text)
        self.write(INIT, INIT_TEXT, 0o640)
        if enabled:
            self.start()

    def start(self):
        """Empty the filter tables and load the files; of the table nat nothing goes by itself."""
        files = read_files(self)
        for word in ("stop", "start"):
            if self.mode(INIT) & 0o111:
                self.checked([self._moved(INIT), word])
        for family in (4, 6):
            self.checked([TOOLS[family] + "-restore", "-w", "5"], loaded_text(files, family))
            nat = "".join("*nat" + part.partition("COMMIT\n")[0] + "COMMIT\n" for part in files.text(BEFORE[family]).split("*nat")[1:])
            self.checked([TOOLS[family] + "-restore", "-w", "5", "--noflush"], nat)

    def run(self, argv, stdin=None, timeout=60.0):
        if argv[0] == "sysctl":  # the kernel of the machine that runs the tests is not theirs to set
            self.calls.append(tuple(argv))
            return Result(0, "", "")
        return super().run([*argv[:-1], self._moved(argv[-1])] if argv[0] in ("stat", "chown") else argv, stdin, timeout)

    def mode(self, path):
        """Return the permissions of a file."""
        return os.stat(self._moved(path)).st_mode & 0o777

    def which(self, program):
        return "/usr/sbin/ufw" if program == "ufw" else super().which(program)

    def texts(self):
        """Return all files."""
        return dict(read_files(self).texts)
