# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""netsh: ``advfirewall`` with its rules, profiles, export, import and reset, and ``-f FILE``.

A script goes on after a line that is refused. Its code is 0 even so; of some hosts it is told that it is 1 then, which the state has a word
for (``tells``), so nobody may rely on it. A script is read in the code page of the host, so a byte order mark
or a letter that is not ASCII becomes something else; a line longer than LINE is cut into several, as ``fgetws`` does in the netsh of
ReactOS (that of Windows does not say how long its buffer is).
"""

import json
import os
import re

from .fields import ADD, Refused, addresses, choice, from_text, parse_arguments, ports, profiles, protocol, to_fields, to_text, values
from .store import PROFILES, fresh
from .words import TEXTS

#: Signs of one line of a script.
LINE = 1023
_FILTERS = ("name", "group", "dir", "profile", "program", "service", "localip", "remoteip", "localport", "remoteport", "protocol")
_POLICIES = {
    "blockinbound": {"DefaultInboundAction": 1, "DoNotAllowExceptions": 0},
    "blockinboundalways": {"DefaultInboundAction": 1, "DoNotAllowExceptions": 1},
    "allowinbound": {"DefaultInboundAction": 0, "DoNotAllowExceptions": 0},
    "allowoutbound": {"DefaultOutboundAction": 0}, "blockoutbound": {"DefaultOutboundAction": 1},
}  # fmt: skip


class Busy(Exception):
    """A script of netsh is not at its end when its task is: what is left of it is in the state, under ``unfinished``."""


def run(store, words):
    """Run netsh; returns its code and what it says.

    Where the state has a number under ``slow``, a script does so many lines and is busy with the rest then.

    :raises Busy: in that case.
    """
    texts = TEXTS[store.language]
    if len(words) == 2 and words[0].lower() == "-f":
        try:
            with open(store.path(words[1]), encoding="cp1252", errors="replace", newline="") as handle:
                text = handle.read()
        except OSError:
            return 1, texts["file"] + "\n"
        lines = [line[place : place + LINE] for line in text.split("\n") for place in range(0, len(line) or 1, LINE)]
        lines = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
        done = []
        store.kept_back = True
        at_once = store.state.get("slow", len(lines))
        for number, line in enumerate(lines[:at_once]):
            refused = number in store.state.get("refuses", ())
            done.append((1, "\n%s\n\n" % texts["argument"]) if refused else run(store, split(line)))
        store.kept_back = False
        if lines[at_once:]:
            store.state["unfinished"] = lines[at_once:]
        store.save()
        if lines[at_once:]:
            raise Busy
        code = max([code for code, _said in done], default=0) if store.state.get("tells") else 0
        return code, "".join(said for _code, said in done)
    try:
        return _advfirewall(store, words, texts)
    except Refused as exc:
        return 1, "\n%s\n\n" % texts[str(exc)]


def go_on(store):
    """Do what is left of a script that was busy, unless it was ended."""
    for line in store.state.pop("unfinished", ()):
        run(store, split(line))
    store.save()


def split(line):
    """Return the words of a line, quotes taken off."""
    words = re.findall(r'(?:"[^"]*"|[^\s"])+', line)
    return [one.replace('"', "") for one in words]


def _advfirewall(store, words, texts):
    lowered = [one.lower() for one in words]
    if lowered[:1] != ["advfirewall"]:
        return 1, texts["command"] % " ".join(words) + "\n"
    rest = words[1:]
    lowered = lowered[1:]
    changing = lowered[:1] in (["set"], ["export"], ["import"], ["reset"]) or lowered[:2] in (
        ["firewall", "add"], ["firewall", "delete"], ["firewall", "set"],
    )  # fmt: skip
    if changing and not store.elevated:
        return 1, texts["elevation"] + "\n"
    if store.state["service"] != 4:
        return 1, "\n%s\n\n" % texts["service"]
    if lowered[:3] == ["firewall", "add", "rule"]:
        store.add(to_text(to_fields(parse_arguments(rest[3:], ADD))))
        return _ok(store, texts)
    if lowered[:3] == ["firewall", "delete", "rule"]:
        matching = _matching(store, parse_arguments(rest[3:], _FILTERS))
        if not matching:
            raise Refused("none")
        store.state["rules"] = [one for one in store.rules if one not in matching]
        return _ok(store, texts, texts["deleted"] % len(matching))
    if lowered[:3] == ["firewall", "set", "rule"]:
        return _set_rule(store, rest[3:], texts)
    if lowered[:3] == ["firewall", "show", "rule"]:
        return _show(store, rest[3:], texts)
    if len(lowered) >= 2 and lowered[0] in ("set", "show") and lowered[1] in ("allprofiles", *("%sprofile" % one for one in PROFILES)):
        which = PROFILES if lowered[1] == "allprofiles" else (lowered[1][: -len("profile")],)
        return _show_profiles(store, which, texts) if lowered[0] == "show" else _set_profiles(store, which, lowered[2:], texts)
    return _whole(store, rest, lowered, texts)


def _ok(store, texts, said=""):
    store.save()
    return 0, "\n%s%s\n\n" % (said + "\n" if said else "", texts["ok"])


def _whole(store, rest, lowered, texts):
    """Export, import, reset."""
    if lowered == ["reset"]:
        kept = {key: store.state[key] for key in ("language", "policies", "routing", "service")}
        store.state.update(fresh())
        store.state.update(kept)
        return _ok(store, texts)
    if len(lowered) == 2 and lowered[0] == "export":
        path = store.path(rest[1])
        if not os.path.isdir(os.path.dirname(path)):
            raise Refused("file")
        with open(path, "w", encoding="utf-8") as handle:
            json.dump({key: store.state[key] for key in ("rules", "profiles")}, handle)
        return _ok(store, texts)
    if len(lowered) == 2 and lowered[0] == "import":
        try:
            with open(store.path(rest[1]), encoding="utf-8") as handle:
                store.state.update(json.load(handle))
        except OSError:
            raise Refused("file") from None
        return _ok(store, texts)
    return 1, texts["command"] % " ".join(["advfirewall", *rest]) + "\n"


def _set_profiles(store, which, words, texts):
    if words[:1] == ["logging"]:
        return _set_logging(store, which, words[1:], texts)
    if len(words) != 2:
        raise Refused("argument")
    if words[0] == "state":
        if words[1] not in ("on", "off"):
            raise Refused("argument")
        changes = {"EnableFirewall": int(words[1] == "on")}
    elif words[0] == "firewallpolicy":
        inbound, _comma, outbound = words[1].partition(",")
        if not inbound.endswith(("inbound", "always")) or not outbound.endswith("outbound") or not {inbound, outbound} <= set(_POLICIES):
            raise Refused("argument")
        changes = {**_POLICIES[inbound], **_POLICIES[outbound]}
    else:
        raise Refused("argument")
    for name in which:
        store.state["profiles"][name].update(changes)
    return _ok(store, texts)


def _set_logging(store, which, words, texts):
    values_of = {"enable": 1, "disable": 0}  # notconfigured is for group policies only
    names = {"droppedconnections": "LogDroppedPackets", "allowedconnections": "LogSuccessfulConnections"}
    if len(words) != 2 or words[0] not in (*names, "filename", "maxfilesize"):
        raise Refused("argument")
    if words[0] in names and words[1] in values_of:
        changes = {names[words[0]]: values_of[words[1]]}
    elif words[0] == "maxfilesize" and words[1].isdigit() and 1 <= int(words[1]) <= 32767:
        changes = {"LogFileSize": int(words[1])}
    elif words[0] == "filename":
        changes = {"LogFilePath": words[1]}
    else:
        raise Refused("argument")
    for name in which:
        store.state["profiles"][name].setdefault("Logging", {}).update(changes)
    return _ok(store, texts)


def _show_profiles(store, which, texts):
    said = []
    for name in which:
        values_of = {**store.state["profiles"][name], **store.state["policies"]["profiles"].get(name, {})}
        logging = {**store.state["profiles"][name].get("Logging", {}), **values_of.get("Logging", {})}
        inbound = "AllowInbound" if values_of.get("DefaultInboundAction") == 0 else "BlockInbound"
        if values_of.get("DoNotAllowExceptions"):
            inbound = "BlockInboundAlways"
        outbound = "BlockOutbound" if values_of.get("DefaultOutboundAction") == 1 else "AllowOutbound"
        said += ["", texts["settings"] % texts[name], "-" * 70]
        said.append("%-38s%s" % (texts["state"], texts["on"] if values_of.get("EnableFirewall", 1) else texts["off"]))
        said.append("%-38s%s,%s" % (texts["policy"], inbound, outbound))
        said += ["", texts["logging"]]
        said.append("%-38s%s" % ("LogDroppedConnections", texts["enabled?" if logging.get("LogDroppedPackets") else "disabled?"]))
    return 0, "\n".join([*said, texts["ok"], "", ""])


def _matching(store, wanted):
    if not wanted.get("name") and not wanted.get("group"):
        raise Refused("argument")
    return [one for one in store.rules if _matches(from_text(one[1]), wanted)]


def _matches(fields, wanted):
    name = wanted.get("name", "all")
    if name.lower() != "all" and values(fields, "Name") != [name]:
        return False
    if "group" in wanted and values(fields, "EmbedCtxt") != [wanted["group"]]:
        return False
    if "dir" in wanted and values(fields, "Dir") != [choice(wanted["dir"], {"in": "In", "out": "Out"})]:
        return False
    if "profile" in wanted and values(fields, "Profile") != profiles(wanted["profile"]):
        return False
    number, icmp = protocol(wanted.get("protocol", "any"))
    same = values(fields, "Protocol") == ([str(number)] if number is not None else []) and set(icmp) <= set(fields)
    if "protocol" in wanted and not same:
        return False
    # A program is a path, and has no word for any.
    if "program" in wanted and values(fields, "App") != [wanted["program"]]:
        return False
    if "service" in wanted and values(fields, "Svc") != ([] if wanted["service"].lower() == "any" else [wanted["service"]]):
        return False
    for tag, keys, read in (
        ("localip", ("LA4", "LA6"), lambda text: addresses(text, "LA")), ("remoteip", ("RA4", "RA6"), lambda text: addresses(text, "RA")),
        ("localport", ("LPort", "LPort2_10"), lambda text: [] if text.lower() == "any" else ports(text, "LPort")),
        ("remoteport", ("RPort", "RPort2_10"), lambda text: [] if text.lower() == "any" else ports(text, "RPort")),
    ):  # fmt: skip
        if tag in wanted and sorted(pair for pair in fields if pair[0] in keys) != sorted(read(wanted[tag])):
            return False
    return True


def _set_rule(store, words, texts):
    lowered = [one.lower() for one in words]
    if "new" not in lowered:
        raise Refused("argument")
    place = lowered.index("new")
    matching = _matching(store, parse_arguments(words[:place], _FILTERS))
    changes = parse_arguments(words[place + 1 :], ADD)
    if not matching:
        raise Refused("none")
    for rule in matching:
        rule[1] = to_text(_changed(from_text(rule[1]), changes))
    return _ok(store, texts, texts["updated"] % len(matching))


def _changed(fields, changes):
    """Return the fields of a rule with changes made to it."""
    said = to_fields({"name": "x", "dir": "in", "action": "allow", "protocol": _protocol_of(fields), **changes})
    keys = {
        "name": ("Name",), "dir": ("Dir",), "action": ("Action",), "enable": ("Active",), "description": ("Desc",), "profile": ("Profile",),
        "program": ("App",), "service": ("Svc",), "localip": ("LA4", "LA6"), "remoteip": ("RA4", "RA6", "RA42", "RA62"),
        "localport": ("LPort", "LPort2_10"), "remoteport": ("RPort", "RPort2_10"), "protocol": ("Protocol", "ICMP4", "ICMP6"),
        "edge": ("Edge",),
    }  # fmt: skip
    gone = {key for tag in changes for key in keys.get(tag, ())}
    return [pair for pair in fields if pair[0] not in gone] + [pair for pair in said if pair[0] in gone]


def _protocol_of(fields):
    return (values(fields, "Protocol") or ["any"])[0]


def _show(store, words, texts):
    verbose = [one.lower() for one in words][-1:] == ["verbose"]
    matching = _matching(store, parse_arguments(words[:-1] if verbose else words, _FILTERS))
    if not matching:
        raise Refused("none")
    said = []
    for _identity, text in matching:
        fields = from_text(text)
        said += ["", "%-38s%s" % (texts["name"], "".join(values(fields, "Name"))), "-" * 70]
        rows = [("enabled", texts["yes" if values(fields, "Active") == ["TRUE"] else "no"])]
        if verbose:
            rows.insert(0, ("description", "".join(values(fields, "Desc"))))
        rows.append(("direction", texts["out" if values(fields, "Dir") == ["Out"] else "in"]))
        rows.append(("profiles", ",".join(texts[one.lower()] for one in values(fields, "Profile") or ("Domain", "Private", "Public"))))
        rows.append(("grouping", "".join(values(fields, "EmbedCtxt"))))
        for tag, keys in (("localip", ("LA4", "LA6")), ("remoteip", ("RA4", "RA6"))):
            rows.append((tag, ",".join(values(fields, *keys)) or texts["any"]))
        rows.append(("protocol:", {"6": "TCP", "17": "UDP", "any": texts["any"]}.get(_protocol_of(fields), _protocol_of(fields))))
        if _protocol_of(fields) in ("6", "17"):
            for tag, key in (("localport", "LPort"), ("remoteport", "RPort")):
                rows.append((tag, ",".join(values(fields, key, key + "2_10")) or texts["any"]))
        rows.append(("edge", texts["yes" if values(fields, "Edge") == ["TRUE"] else "no"]))
        rows.append(("action", texts["".join(values(fields, "Action")).lower()]))
        said += ["%-38s%s" % (texts[tag], value) for tag, value in rows]
    return 0, "\n".join([*said, texts["ok"], "", ""])
