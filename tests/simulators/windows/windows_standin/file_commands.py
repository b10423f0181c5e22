# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of cmd.exe for files and folders. Each returns its code, what it says, and what it says of errors."""

import os
import shutil

MISSING = "The system cannot find the file specified.\n"


def _split(words):
    return [one.lower() for one in words if one.startswith("/")], [one for one in words if not one.startswith("/")]


def _locked(store):
    """Writing takes the rights of an administrator: everything is below a folder of theirs."""
    return None if store.elevated else (1, "", "Access is denied.\n")


def _mkdir(store, words):
    path = store.path(words[0])
    if os.path.exists(path):
        return 1, "", "A subdirectory or file %s already exists.\n" % words[0]
    refused = _locked(store)
    if refused is None:
        os.makedirs(path)
    return refused or (0, "", "")


def _rmdir(store, words):
    options, paths = _split(words)
    path = store.path(paths[0])
    if not os.path.isdir(path):
        return 2, "", MISSING
    if "/s" not in options and os.listdir(path):
        return 145, "", "The directory is not empty.\n"
    refused = _locked(store)
    if refused is None and set(os.listdir(path)) & set(store.state.get("held", ())):
        for name in set(os.listdir(path)) - set(store.state["held"]):
            os.unlink(os.path.join(path, name))
        return 0, "", "The process cannot access the file because it is being used by another process.\n"
    if refused is None:
        shutil.rmtree(path)
    return refused or (0, "", "")


def _ren(store, words):
    path, name = store.path(words[0]), words[1]
    if "\\" in name or "/" in name:
        return 1, "", "The syntax of the command is incorrect.\n"
    target = os.path.join(os.path.dirname(path), name)
    if not os.path.exists(path):
        return 1, "", MISSING
    if os.path.exists(target):
        return 1, "", "A duplicate file name exists, or the file cannot be found.\n"
    refused = _locked(store)
    if refused is None:
        os.rename(path, target)
    return refused or (0, "", "")


def _move(store, words):
    options, (one, other) = _split(words)
    source, target = store.path(one), store.path(other)
    if not os.path.exists(source):
        return 1, "", MISSING
    if os.path.exists(target) and "/y" not in options:
        raise RuntimeError("move would ask")
    refused = _locked(store)
    if refused is None:
        os.replace(source, target)
    return refused or (0, "        1 file(s) moved.\n", "")


def _copy(store, words):
    options, (one, other) = _split(words)
    source, target = store.path(one), store.path(other)
    if not os.path.isfile(source):
        return 1, "", MISSING
    target = os.path.join(target, os.path.basename(source)) if os.path.isdir(target) else target
    if os.path.exists(target) and "/y" not in options:
        raise RuntimeError("copy would ask")
    refused = _locked(store)
    if refused is None:
        shutil.copyfile(source, target)
    return refused or (0, "        1 file(s) copied.\n", "")


def _del(store, words):
    options, paths = _split(words)
    path = store.path(paths[0])
    everything = path.endswith("/*")
    if everything and "/q" not in options:
        raise RuntimeError("del would ask")
    folder = os.path.dirname(path)
    found = [os.path.join(folder, name) for name in os.listdir(folder)] if everything and os.path.isdir(folder) else [path]
    found = [one for one in found if os.path.isfile(one)]
    refused = _locked(store) if found else None
    if refused is not None:
        return refused
    for one in found:
        os.unlink(one)
    return (0, "", "") if found or everything else (0, "", "Could Not Find %s\n" % paths[0])


def _type(store, words):
    if words[0].lower() == "nul":
        return 0, "", ""
    try:
        with open(store.path(words[0]), encoding="utf-8", errors="replace", newline="") as handle:
            return 0, handle.read().replace("\r\n", "\n"), ""
    except OSError:
        return 1, "", MISSING


def _dir(store, words):
    options, paths = _split(words)
    if "/b" not in options:
        raise RuntimeError("only dir /b speaks no language")
    names = []
    for one in paths:
        path = store.path(one)
        if os.path.isdir(path):
            names += [name for name in sorted(os.listdir(path)) if "/a-d" not in options or os.path.isfile(os.path.join(path, name))]
        elif os.path.exists(path):
            names.append(os.path.basename(path))
        else:
            return 1, "".join("%s\n" % name for name in names), "File Not Found\n"
    return (0, "".join("%s\n" % name for name in names), "") if names else (1, "", "File Not Found\n")


NAMES = {
    "mkdir": _mkdir, "md": _mkdir, "rmdir": _rmdir, "rd": _rmdir, "ren": _ren, "move": _move, "copy": _copy, "del": _del, "type": _type,
    "dir": _dir,
}  # fmt: skip
