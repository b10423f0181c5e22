#!/usr/bin/env bash
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The main job on real hosts: one rule and one policy on four kinds of firewall, a lockout that is survived, and what is in force at the end.
# Makes its own hosts and ends them. Where the lab cannot run, it shows the same rules as dry runs on every backend instead.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
checkout=$PWD
python=$checkout/.venv/bin/python
PATH=$checkout/.venv/bin:$PATH
folder=$(mktemp -d)
export ANSIBLE_COLLECTIONS_PATH=$folder ANSIBLE_HOST_KEY_CHECKING=false ANSIBLE_NOCOLOR=1 ANSIBLE_LOCALHOST_WARNING=false
export ANSIBLE_INVENTORY_UNPARSED_WARNING=false ANSIBLE_CALLBACK_RESULT_FORMAT=yaml ANSIBLE_INVENTORY=$folder/inventory.yml
export HOLDFAST_LAB=holdfast-demo-$$
mkdir -p "$folder/ansible_collections/holdfast"
ln -s "$checkout" "$folder/ansible_collections/holdfast/firewall"

finish() {
    if [ -n "${lab:-}" ]; then "$python" tests/lab/lab.py destroy --all >/dev/null || true; fi
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT TERM

say() { printf '\n=== %s ===\n' "$*"; }
run() { printf '\n$ ansible %s\n' "$(printf '%q ' "$@")" && "${inside[@]}" ansible "$@"; }

dry_runs() {
    echo 'localhost ansible_connection=local' >"$folder/inventory.yml"
    inside=(env)
    for backend in pf ipfw nftables iptables; do
        run localhost -m holdfast.firewall.rule -a "port_range=8000-8080 action=deny dry_run=true backend=$backend"
        run localhost -m holdfast.firewall.policy -a "state=rendered backend=$backend policy='[{\"action\": \"allow\", \"port\": 443}]'"
    done
}

if ! bash tests/checks/lab-possible.sh >"$folder/reason"; then
    say "Real hosts cannot be made here ($(cat "$folder/reason")); the same rule as a dry run on every backend"
    dry_runs
    exit 0
fi

say "Making four hosts: nftables, iptables (nft), iptables (legacy), and a stand-in of a FreeBSD host"
lab=yes
"$python" tests/lab/lab.py create web1 --kind nftables
"$python" tests/lab/lab.py create web2 --kind iptables-nft
"$python" tests/lab/lab.py create web3 --kind iptables-legacy
"$python" tests/lab/lab.py create web4 --kind bsd
"$python" tests/lab/lab.py inventory >"$folder/inventory.yml"
inside=("$python" tests/lab/lab.py enter --)

say "One rule, four firewalls"
run all -m holdfast.firewall.rule -a "action=allow port=80 stateful=true"

say "The same again changes nothing"
run all -o -m holdfast.firewall.rule -a "action=allow port=80 stateful=true"

say "What it would read like elsewhere"
for backend in pf ipfw; do
    run web1 -o -m holdfast.firewall.rule -a "port_range=8000-8080 action=deny dry_run=true backend=$backend"
done

say "A whole policy: what it would change, as packets"
cat >"$folder/web.yml" <<'EOF'
address_sets:
  admins: [192.0.2.0/24, "2001:db8:1::/48"]
rules:
  - {name: web, action: allow, port: [80, 443]}
  - {name: metrics, action: allow, port: 9100, source: "@admins"}
  - {name: ping, action: allow, service: ping}
EOF
run web1 -m holdfast.firewall.policy -a "src=$folder/web.yml" --check --diff

say "The same document on every host, and again"
run all -o -m holdfast.firewall.policy -a "src=$folder/web.yml"
run all -o -m holdfast.firewall.policy -a "src=$folder/web.yml"

say "A policy that would lock you out is refused, with the packet that proves it"
sed 's/^rules:/management: {sources: [192.0.2.0\/24]}\n&/' "$folder/web.yml" >"$folder/shut.yml"
if run linux -o -m holdfast.firewall.policy -a "src=$folder/shut.yml"; then
    echo "the task should have failed" >&2
    exit 1
fi
run all -o -m holdfast.firewall.policy -a "state=deleted"

say "A lockout, survived: deny SSH, and watch the host take it back"
if run linux -m holdfast.firewall.rule -a "action=deny port=22 confirm_within=10"; then
    echo "the task should have failed" >&2
    exit 1
fi

say "Every host can be reached again, by new connections"
ANSIBLE_SSH_ARGS="-o ControlMaster=no" run all -o -m ansible.builtin.ping

say "What is in force"
run all -o -m holdfast.firewall.rule -a "state=check"
