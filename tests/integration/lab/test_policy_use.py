# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole policies the way users put them on hosts and get them wrong, with the real Ansible commands against lab hosts."""

from __future__ import annotations

import json
import subprocess

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.controller import BACKEND, CONFIRM, HOSTS, Controller

POLICY = "holdfast.firewall.policy"
#: A few lines that stand for a billion values.
BOMB = "l0: &l0 [x, x]\n" + "".join("l%d: &l%d [%s]\n" % (n, n, ", ".join(["*l%d" % (n - 1)] * 9)) for n in range(1, 10))
WEB = {
    "address_sets": {"admins": ["192.0.2.0/24", "2001:db8:a::/48"]},
    "rules": [
        {"name": "web", "action": "allow", "port": [80, 443]},
        {"name": "metrics", "action": "allow", "port": 9100, "source": "@admins"},
        {"name": "ident", "action": "reject", "port": 113},
        {"name": "ping", "action": "allow", "service": "ping"},
    ],
}
OWN_INPUT = "iptables -S | sed -n 's/^-N \\(holdfast-input[^ ]*\\)$/\\1/p' | head -1"
BY_HAND = {
    "nftables": "nft insert rule inet holdfast input tcp dport 4444 accept",
    "iptables": "iptables -I $(%s) 3 -p tcp --dport 4444 -j ACCEPT" % OWN_INPUT,
}
#: The administrator keeps SSH out of connection tracking, so its answers are no known connections.
UNTRACKED = {
    "nftables": (
        (
            "nft 'add table inet raw; add chain inet raw pre { type filter hook prerouting priority raw; }; "
            "add chain inet raw out { type filter hook output priority raw; }; "
            "add rule inet raw pre tcp dport 22 notrack; add rule inet raw out tcp sport 22 notrack'"
        ),
        "nft delete table inet raw",
    ),
    "iptables": (
        "iptables -t raw -A PREROUTING -p tcp --dport 22 -j CT --notrack; iptables -t raw -A OUTPUT -p tcp --sport 22 -j CT --notrack",
        "iptables -t raw -F",
    ),
}


@pytest.fixture(scope="module", name="controller")
def _controller(lab, tmp_path_factory):
    for name, kind in HOSTS.items():
        lab.create(name, kind=kind)
    controller = Controller(lab, tmp_path_factory.mktemp("controller"))
    controller.refresh()
    return controller


@pytest.fixture(name="host", params=list(HOSTS))
def _host(request, controller):
    yield request.param
    controller.adhoc(request.param, "state=deleted", module=POLICY)


@pytest.fixture(name="apply")
def _apply(controller, host):
    def apply(policy, *options, **arguments):
        return controller.task(host, {"policy": policy, **arguments}, *options, module=POLICY)

    return apply


def forget(controller, host):
    """Remove the note of the last policy, so that the live rules themselves are compared."""
    controller.lab.exec(host, ["rm", "-f", "/var/lib/holdfast/policy.json"])


def test_a_policy_is_put_in_force_once(controller, host, apply):
    first = apply(WEB)
    assert first["changed"] is True
    assert first["proof"] == "a new ssh connection"
    listed = controller.listing(host)
    assert "9100" in listed
    second = apply(WEB)
    assert (second["changed"], second["msg"]) == (False, "The policy is in force already (%s)" % BACKEND[host])
    forget(controller, host)
    assert apply(WEB)["changed"] is False
    assert controller.listing(host) == listed


def test_check_mode_shows_the_text_and_the_packets_and_changes_nothing(controller, host, apply):
    before = controller.listing(host)
    predicted = apply(WEB, "--check", "--diff")
    assert controller.listing(host) == before
    assert predicted["changed"] is True
    assert "9100" in predicted["diff"][0]["after"]
    assert "9100" in predicted["semantic_diff"]["text"] or "denied" in predicted["semantic_diff"]["text"]
    real = apply(WEB, "--diff")
    assert real["diff"] == predicted["diff"]
    wider = {**WEB, "rules": [*WEB["rules"], {"action": "allow", "port": 8080, "source": "203.0.113.0/24"}]}
    changed = apply(wider, "--check", "--diff")["semantic_diff"]["text"]
    assert "8080" in changed
    assert "203.0.113.0/24" in changed
    assert "9100" not in changed


def test_what_is_gathered_can_be_applied_again(controller, host, apply):
    apply(WEB)
    gathered = controller.adhoc(host, "state=gathered", module=POLICY)["gathered"]
    assert {"web", "metrics", "ident", "ping"} == {rule["comment"] for rule in gathered["rules"]}
    forget(controller, host)
    assert apply(gathered)["changed"] is False


def test_merged_keeps_what_is_there_and_settles(controller, host, apply):
    apply(WEB)
    more = [{"action": "allow", "port": 5432, "source": "192.0.2.9", "comment": "database"}]
    assert apply(more, state="merged")["changed"] is True
    assert apply(more, state="merged")["changed"] is False
    gathered = controller.adhoc(host, "state=gathered", module=POLICY)["gathered"]
    assert gathered["rules"][0]["comment"] == "database"
    assert len(gathered["rules"]) > 4


def test_an_edit_by_hand_is_seen_and_undone(controller, host, apply):
    apply(WEB)
    listed = controller.listing(host)
    controller.lab.exec(host, ["sh", "-c", BY_HAND[BACKEND[host]]])
    seen = apply(WEB, "--check")
    assert (seen["changed"], seen.get("drift")) == (True, True)
    assert apply(WEB)["changed"] is True
    assert controller.listing(host) == listed


def test_a_policy_that_shuts_the_control_node_out_is_refused_with_the_packet(controller, host, apply):
    before = controller.listing(host)
    arguments = {"policy": {**WEB, "management": {"sources": ["192.0.2.0/24"]}}}
    (controller.folder / "shut.json").write_text(json.dumps(arguments["policy"]))
    refused = controller.adhoc(host, "src=%s" % (controller.folder / "shut.json"), module=POLICY)
    assert refused["_word"] == "FAILED!"
    assert "would lock you out" in refused["msg"]
    assert "198.51.100.1" in refused["msg"]
    assert controller.listing(host) == before


def test_a_lockout_that_no_proof_can_see_is_undone(controller, host, apply):
    apply(WEB)
    untrack, track = UNTRACKED[BACKEND[host]]
    controller.lab.exec(host, ["sh", "-c", untrack])
    before = controller.listing(host)
    (controller.folder / "shut.json").write_text(json.dumps({**WEB, "defaults": {"out": "deny"}}))
    result = controller.adhoc(host, "src=%s confirm_within=12" % (controller.folder / "shut.json"), module=POLICY)
    assert (result["_word"], result["rolled_back"], result["identical"]) == ("FAILED!", True, True)
    assert controller.listing(host) == before
    forget(controller, host)
    assert apply(WEB)["changed"] is False
    controller.lab.exec(host, ["sh", "-c", track])


def test_a_policy_survives_a_reboot(controller, host, apply):
    apply(WEB, layout="compiled")
    before = controller.adhoc(host, "state=gathered", module=POLICY)["gathered"]
    controller.lab.reboot(host)
    assert controller.adhoc(host, "state=gathered", module=POLICY)["gathered"] == before
    assert apply(WEB, layout="compiled")["changed"] is False
    forget(controller, host)
    assert apply(WEB, layout="compiled")["changed"] is False


def test_deleted_leaves_nothing_behind(controller, host, apply):
    controller.adhoc(host, "state=deleted", module=POLICY)
    before = controller.listing(host)
    apply(WEB, layout="compiled")
    assert controller.adhoc(host, "state=deleted", module=POLICY)["_word"] == "CHANGED"
    assert controller.listing(host) == before
    assert controller.adhoc(host, "state=deleted", module=POLICY)["_word"] == "SUCCESS"


def test_a_manual_change_waits_for_its_confirmation(controller, host, apply):
    result = apply(WEB, confirm="manual", confirm_within=120)
    assert result["pending"]["confirm_within"] == 120
    controller.adhoc(host, "change=%s" % result["change"], module=CONFIRM)
    assert apply(WEB)["changed"] is False


def test_an_ad_hoc_document_is_text(controller, host):
    document = json.dumps({"rules": [{"action": "allow", "port": 8443}]})
    result = controller.adhoc(host, "policy='%s'" % document, module=POLICY)
    assert result["_word"] == "CHANGED"
    assert "8443" in controller.listing(host)


def test_forwarding_is_left_to_a_program_that_decides_about_it(controller, host, apply):
    table = "table ip docker-bridges { chain bridges { type filter hook forward priority 0; policy accept; ip daddr 172.17.0.2 accept; }; }"
    chains = "*filter\n:DOCKER-USER - [0:0]\n:DOCKER-FORWARD - [0:0]\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-FORWARD\nCOMMIT\n"
    nft = BACKEND[host] == "nftables"
    load = ["nft", "-f", "-"] if nft else ["iptables-restore", "--noflush"]
    controller.lab.exec(host, ["sh", "-c", "%s <<'EOF'\n%s\nEOF" % (" ".join(load), table if nft else chains)])
    result = apply(WEB)
    assert any("forwarding is left to docker" in note for note in result["notes"])
    assert "policy drop" in controller.listing(host) or not nft
    decided = apply({**WEB, "defaults": {"forward": "deny"}})
    assert decided["changed"] is True
    undo = (
        "nft delete table ip docker-bridges"
        if nft
        else (
            "iptables -D FORWARD -j DOCKER-USER; iptables -D FORWARD -j DOCKER-FORWARD; iptables -X DOCKER-USER; iptables -X DOCKER-FORWARD"
        )
    )
    controller.lab.exec(host, ["sh", "-c", undo])


@pytest.mark.parametrize("backend", ["pf", "ipfw", "nftables", "iptables"])
def test_rendering_needs_no_root_and_parses_back(controller, backend):
    (controller.folder / "web.json").write_text(json.dumps(WEB))
    source = "state=rendered backend=%s src=%s" % (backend, controller.folder / "web.json")
    rendered = controller.adhoc("use-nft", source, "-e", "ansible_user=plain", module=POLICY)
    assert rendered["_word"] == "SUCCESS", rendered
    parsed = controller.task("use-nft", {"state": "parsed", "backend": backend, "running_config": rendered["rendered"]}, module=POLICY)
    assert {rule.get("comment") for rule in parsed["parsed"]["rules"]} >= {"web", "metrics", "ident"}


def test_bad_documents_open_no_connection_and_name_the_place(controller):
    (controller.folder / "nowhere.yml").write_text("all: {hosts: {nowhere: {ansible_host: 192.0.2.255}}}")
    bad = {
        "rules: [{action: allow, prot: 80}]": "prot",
        "rules: [{action: allow, port: 80, source: '@admin'}]\naddress_sets: {admins: [192.0.2.1]}": "did you mean @admins",
        "rules: [{action: allow, port: []}]": "port",
        "rule: []": "did you mean rules",
        "rules: [{name: a, action: allow}, {name: a, action: deny}]": "a",
        "address_sets: {a: ['@b'], b: ['@a']}\nrules: [{action: allow, source: '@a'}]": "cycle",
        "rules: []\nrules: []": "rules",
        BOMB: "alias",
    }
    for number, (text, sign) in enumerate(bad.items()):
        source = controller.folder / ("bad%d.yml" % number)
        source.write_text(text)
        inventory = str(controller.folder / "nowhere.yml")
        done = controller.run("ansible", "-i", inventory, "nowhere", "-m", POLICY, "-a", "src=%s" % source)
        said = done.stdout + done.stderr
        assert "FAILED!" in said, said
        assert "UNREACHABLE" not in said, said
        assert sign.lower() in said.lower(), (text, said)
        assert "Traceback" not in said


def test_a_document_from_a_vault_is_read(controller):
    source, secret = controller.folder / "vaulted.yml", controller.folder / "secret"
    secret.write_text("correct horse")
    source.write_text(json.dumps(WEB))
    encrypt = controller.command("ansible-vault")
    del encrypt[-2:]  # it knows no inventory
    subprocess.run([*encrypt, "encrypt", "--vault-password-file", str(secret), str(source)], check=True, capture_output=True)
    assert source.read_text().startswith("$ANSIBLE_VAULT")
    words = "state=rendered backend=nftables src=%s" % source
    assert "9100" in controller.adhoc("use-nft", words, "--vault-password-file", str(secret), module=POLICY)["rendered"]
    missing = controller.adhoc("use-nft", "src=%s" % (controller.folder / "gone.yml"), module=POLICY)
    assert missing["_word"] == "FAILED!"
    assert "gone.yml" in missing["msg"]


def test_single_rules_work_beside_a_policy(controller, host, apply):
    apply(WEB)
    added = controller.adhoc(host, "action=deny port=80 source=203.0.113.9")
    assert added["_word"] == "CHANGED"
    assert controller.adhoc(host, "action=deny port=80 source=203.0.113.9")["_word"] == "SUCCESS"
    part = controller.adhoc(host, "state=absent action=reject port=113")
    assert part["_word"] == "FAILED!"
    assert "part of the policy" in part["msg"]
    assert controller.adhoc(host, "state=absent action=deny port=80 source=203.0.113.9")["_word"] == "CHANGED"
    there = controller.adhoc(host, "action=reject port=113")
    assert (there["_word"], "as a part of the policy" in there["msg"]) == ("SUCCESS", True)
    assert apply(WEB)["changed"] is False
