# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loader that puts our rules back at boot: a POSIX shell script, its systemd unit, and the file of rules in other people's chains.

Pure: builds text. ``foreign.rules`` has one record on a line, its fields separated by tabs:

* ``set FAMILY TABLE NAME BODY``: a dynamic set that a rule below needs;
* ``policy FAMILY TABLE CHAIN VERDICT``: the policy of a base chain of the administrator's, whose rules were removed;
* ``del FAMILY TABLE CHAIN RULE LEFT``: a rule of the administrator's own files that was removed, and how many of the same text stay;
* ``add FAMILY TABLE CHAIN RULE ANCHOR``: a rule that was added, and the rule it stands before (empty: at the end).

Rules are compared as nft lists them, as whole strings. The script never builds a shell command from them.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .names import FOLDER, LOADER
from .ruleset import ChainRef

LOAD_SCRIPT = r"""#!/bin/sh
# Loads the rules of holdfast.firewall after the host's own nftables rules. Written by holdfast.firewall: changes are overwritten.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
dir=@FOLDER@
tab=$(printf '\t')
status=0

complain() {
    logger -t holdfast -p daemon.warning "$1" 2>/dev/null
    echo "holdfast: $1" >&2
    status=1
}

# What is in force already is not touched: the kernel fills some sets a little later than it switches rules.
if [ -f "$dir/holdfast.nft" ] && [ "$(nft -s list table inet holdfast 2>/dev/null)" != "$(sed 1,3d "$dir/holdfast.nft")" ]; then
    nft -f "$dir/holdfast.nft" || complain "the rules in $dir/holdfast.nft were refused"
fi
[ -f "$dir/foreign.rules" ] || exit "$status"

# Sets first; one that is there already stays as it is.
while IFS="$tab" read -r what family table name body; do
    [ "$what" = set ] || continue
    printf 'add set %s %s %s %s\n' "$family" "$table" "$name" "$body" | nft -f - 2>/dev/null ||
        complain "set $name could not be added to table $family $table"
done < "$dir/foreign.rules"

# Policies of chains next, so that none drops what the rules taken from it let through.
while IFS="$tab" read -r what family table chain policy; do
    [ "$what" = policy ] || continue
    nft -s list chain "$family" "$table" "$chain" 2>/dev/null | grep -q ' hook ' || continue
    printf 'add chain %s %s %s { policy %s; }\n' "$family" "$table" "$chain" "$policy" | nft -f - ||
        complain "the policy of chain $family $table $chain could not be set"
done < "$dir/foreign.rules"

# Then, chain by chain: find the handles in a listing, and change the chain in one transaction; if that is refused, line by line.
chains=$(sed -n "s/^add$tab//p; s/^del$tab//p" "$dir/foreign.rules" | cut -f 1-3 | sort -u)
while IFS="$tab" read -r family table chain; do
    [ -n "$chain" ] || continue
    if ! listing=$(nft -s -a list chain "$family" "$table" "$chain" 2>/dev/null); then
        complain "chain $family $table $chain is gone; its rules of holdfast.firewall were left out"
        continue
    fi
    changes=$(printf '%s\n' "$listing" | chain="$family$tab$table$tab$chain" awk -F '\t' '
        BEGIN { wanted = ENVIRON["chain"]; where = wanted; gsub("\t", " ", where) }
        NR == FNR {
            if (($1 == "add" || $1 == "del") && $2 "\t" $3 "\t" $4 == wanted) {
                n++; what[n] = $1; rule[n] = $5; anchor[n] = $6
            }
            next
        }
        /^\t\t[^\t].* # handle [0-9]+$/ {
            text = substr($0, 3); handle = text
            sub(/ # handle [0-9]+$/, "", text); sub(/^.* # handle /, "", handle)
            waiting[text] = waiting[text] " " handle; count[text]++
        }
        END {
            for (i = 1; i <= n; i++) if (what[i] == "del") while (count[rule[i]] > anchor[i] + 0) {
                split(waiting[rule[i]], one, " ")
                print "delete rule " where " handle " one[1]
                sub(/^ [0-9]+/, "", waiting[rule[i]]); count[rule[i]]--
            }
            for (i = 1; i <= n; i++) if (what[i] == "add") {
                if (waiting[rule[i]] != "") { sub(/^ [0-9]+/, "", waiting[rule[i]]); continue }
                if (anchor[i] != "" && waiting[anchor[i]] != "") {
                    split(waiting[anchor[i]], one, " ")
                    print "insert rule " where " position " one[1] " " rule[i]
                } else print "add rule " where " " rule[i]
            }
        }' "$dir/foreign.rules" -)
    [ -n "$changes" ] || continue
    printf '%s\n' "$changes" | nft -f - 2>/dev/null && continue
    while IFS= read -r change; do
        printf '%s\n' "$change" | nft -f - || complain "refused in chain $family $table $chain: $change"
    done <<END_OF_CHANGES
$changes
END_OF_CHANGES
done <<END_OF_CHAINS
$chains
END_OF_CHAINS
exit "$status"
""".replace("@FOLDER@", FOLDER)

#: Ordered like nftables.service itself: before the network, after the rules it adds to; it stops, starts, restarts and reloads with them.
UNIT_TEXT = """\
[Unit]
Description=Firewall rules of holdfast.firewall (nftables)
DefaultDependencies=no
After=nftables.service netfilter-persistent.service systemd-modules-load.service local-fs.target
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh {loader}
ExecReload=/bin/sh {loader}

[Install]
WantedBy=sysinit.target nftables.service
""".format(loader=LOADER)


@dataclass(frozen=True)
class Record:
    """One line of ``foreign.rules``; ``anchor`` is its last field, which only ``add`` and ``del`` have."""

    what: str
    ref: ChainRef
    text: str
    anchor: str = ""

    def line(self) -> str:
        """Return it as it is written."""
        fields = [self.what, *self.ref, self.text] + ([self.anchor] if self.what in ("add", "del") else [])
        return "\t".join(fields)

    @property
    def plain(self) -> bool:
        """Whether it can be written: no field has a tab or a line break in it."""
        return not any(c in field for field in (*self.ref, self.text, self.anchor) for c in "\t\n")


def read_records(text: str) -> t.List[Record]:
    """Read ``foreign.rules``; lines that are no records are left out."""
    records = []
    for line in text.split("\n"):
        fields = line.split("\t")
        if fields[0] in ("add", "del", "set", "policy") and len(fields) >= 5:
            records.append(Record(fields[0], (fields[1], fields[2], fields[3]), fields[4], fields[5] if len(fields) > 5 else ""))
    return records


def write_records(records: t.Iterable[Record]) -> str:
    """Return the text of ``foreign.rules``."""
    head = "# Rules of holdfast.firewall in chains of other nftables tables; read by load.sh. Changes are overwritten.\n"
    return head + "".join(record.line() + "\n" for record in records)
