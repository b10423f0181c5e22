# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control node for lab tests: runs the real Ansible commands inside the lab against its hosts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from ansible_collections.holdfast.firewall.tests.integration.lab.documented_results import undocumented

ROOT = Path(__file__).resolve().parents[3]
RULE = "holdfast.firewall.rule"
CONFIRM = "holdfast.firewall.confirm"
LISTING = {
    "nftables": "nft list ruleset",
    "iptables-nft": "iptables-save | grep -v '^[#:]'; ip6tables-save | grep -v '^[#:]'",
    "iptables-legacy": "iptables-save | grep -v '^[#:]'; ip6tables-save | grep -v '^[#:]'",
}
HOSTS = {"use-nft": "nftables", "use-iptables": "iptables-nft", "use-legacy": "iptables-legacy"}
BACKEND = {"use-nft": "nftables", "use-iptables": "iptables", "use-legacy": "iptables"}


class Controller:
    """A control node: runs Ansible commands inside the lab."""

    def __init__(self, lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.inventory = folder / "inventory.yml"
        namespace = folder / "ansible_collections" / "holdfast"
        namespace.mkdir(parents=True)
        (namespace / "firewall").symlink_to(ROOT)
        self.environment = dict(
            os.environ,
            ANSIBLE_COLLECTIONS_PATH=str(folder),
            ANSIBLE_HOST_KEY_CHECKING="false",
            ANSIBLE_NOCOLOR="1",
            ANSIBLE_LOCALHOST_WARNING="false",
        )

    def refresh(self, **options) -> None:
        """Write the inventory of the lab as it is now."""
        self.inventory.write_text(self.lab.inventory(**options))

    def command(self, *words: str) -> list[str]:
        beside = Path(sys.executable).with_name(words[0])
        program = str(beside) if beside.exists() else shutil.which(words[0]) or words[0]
        return self.lab.entered([program, "-i", str(self.inventory), *words[1:]])

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess:
        """Run a program of Ansible and return what it printed."""
        return subprocess.run(
            self.command(*words), env=dict(self.environment, **environment), capture_output=True, text=True, check=False, timeout=300
        )

    def adhoc(self, host: str, arguments: str, *options: str, module: str = RULE) -> dict:
        """Run one module ad hoc on one host and return its result, with ``_word`` (CHANGED, SUCCESS, FAILED!, UNREACHABLE!)."""
        done = self.run("ansible", host, "-m", module, "-a", arguments, *options)
        text = done.stdout
        assert " => " in text, done.stdout + done.stderr
        head, _arrow, body = text.partition(" => ")
        result = json.loads(body[: body.rindex("}") + 1])
        assert undocumented(module, result) == [], result
        result["_word"] = head.split("|")[1].split()[0]
        return result

    def task(self, host: str, arguments: dict, *options: str, module: str = RULE) -> dict:
        """Run one module as a task of a playbook and return what is registered, with its diff."""
        result = self.folder / "registered.json"
        keep = {"ansible.builtin.copy": {"content": "{{ result | to_json }}", "dest": str(result), "mode": "0600"}}
        tasks = [{module: arguments, "register": "result"}, {**keep, "delegate_to": "localhost", "check_mode": False, "diff": False}]
        (self.folder / "play.yml").write_text(json.dumps([{"hosts": host, "gather_facts": False, "tasks": tasks}]))
        done = self.run("ansible-playbook", str(self.folder / "play.yml"), *options)
        assert done.returncode == 0, done.stdout + done.stderr
        registered: dict = json.loads(result.read_text())
        assert undocumented(module, registered) == [], registered
        return registered

    def manual(self, host: str, arguments: str) -> dict:
        """Make a change by the module rule that waits for its confirmation; returns its result once it is in force."""
        waiting = self.adhoc(host, arguments + " confirm=manual")
        assert waiting["_word"] == "CHANGED", waiting
        deadline = time.monotonic() + 20
        while True:
            status = self.adhoc(host, "state=status", module=CONFIRM)
            if not status["pending"] or status["applied"]:
                return waiting
            assert time.monotonic() < deadline, "the change did not come into force"
            time.sleep(0.2)

    def listing(self, host: str) -> str:
        """What the host enforces, read without the network."""
        return self.lab.exec(host, ["sh", "-c", LISTING[HOSTS.get(host, "nftables")]]).stdout
