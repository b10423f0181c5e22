# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""schtasks: tasks that are given as XML, with their time, their boot and their delay after registration.

Tasks are kept in ``tasks.json`` of the state folder. What runs them is a function: in a lab host that is systemd, in unit tests the caller.
"""

import json
import os
import re
import time
import xml.etree.ElementTree as ET
from datetime import datetime, timezone

_SPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


class Refused(Exception):
    """What schtasks says when it does not do it."""


class Scheduler:
    """The tasks of a host.

    :ivar runner: has ``start(name)``, ``at(name, seconds)``, ``end(name)`` and ``forget(name)``.
    """

    def __init__(self, store, runner):
        self._store, self._runner = store, runner
        self._file = os.path.join(store.folder, "tasks.json")
        try:
            with open(self._file, encoding="utf-8") as handle:
                self.tasks = json.load(handle)
        except FileNotFoundError:
            self.tasks = {}

    def run(self, words):
        """Run schtasks; returns its code and what it says."""
        options = {}
        place = 1
        while place < len(words):
            key = words[place].lower()
            if key == "/f":
                options[key] = ""
                place += 1
            elif key in ("/tn", "/xml") and place + 1 < len(words):
                options[key] = words[place + 1]
                place += 2
            else:
                return 1, "ERROR: Invalid argument/option - '%s'.\n" % words[place]
        verb = words[0].lower() if words else ""
        if verb not in ("/create", "/query", "/run", "/end", "/delete") or "/tn" not in options:
            return 1, "ERROR: Invalid syntax.\n"
        if verb != "/query" and not self._store.elevated:
            return 1, "ERROR: Access is denied.\n"
        name = options["/tn"]
        if verb != "/create" and name not in self.tasks:
            return 1, "ERROR: The system cannot find the file specified.\n"
        try:
            return 0, getattr(self, "_" + verb[1:])(name, options)
        except Refused as exc:
            return 1, "ERROR: %s\n" % exc

    def boot(self):
        """Start what starts at a boot, and wait again for what has a time."""
        for name, task in list(self.tasks.items()):
            if task["boot"]:
                self._runner.start(name)
            elif task["at"] is not None:
                self._runner.at(name, max(0.0, task["at"] - time.time()))

    def arguments(self, name):
        """Return what cmd.exe gets to run."""
        return self.tasks[name]["arguments"]

    def _create(self, name, options):
        if name in self.tasks and "/f" not in options:
            raise Refused("The task exists already; schtasks would ask.")
        try:
            with open(self._store.path(options["/xml"]), "rb") as handle:
                data = handle.read()
        except OSError:
            raise Refused("The system cannot find the path specified.") from None
        self.tasks[name] = task = _read(data)
        self._save()
        moments = [one for one in (task["at"], time.time() + task["delay"] if task["delay"] is not None else None) if one is not None]
        if moments:
            self._runner.at(name, max(0.0, min(moments) - time.time()))
        return 'SUCCESS: The scheduled task "%s" has successfully been created.\n' % name

    def _query(self, name, _options):
        rows = (("TaskName", "Next Run Time", "Status"), ("=" * 40, "=" * 22, "=" * 15), (name, "N/A", "Ready"))
        return "\nFolder: \\\n" + "".join("%-40s %-22s %s\n" % row for row in rows)

    def _run(self, name, _options):
        self._runner.start(name)
        return 'SUCCESS: Attempted to run the scheduled task "%s".\n' % name

    def _end(self, name, _options):
        self._runner.end(name)
        return 'SUCCESS: The scheduled task "%s" has been terminated successfully.\n' % name

    def _delete(self, name, options):
        if "/f" not in options:
            raise Refused("schtasks would ask.")
        del self.tasks[name]
        self._save()
        self._runner.forget(name)
        return 'SUCCESS: The scheduled task "%s" was successfully deleted.\n' % name

    def _save(self):
        with open(self._file + ".new", "w", encoding="utf-8") as handle:
            json.dump(self.tasks, handle, indent=1)
        os.replace(self._file + ".new", self._file)


def _read(data):
    """Read the definition of a task; what has no meaning here is refused, so that nobody takes it for done."""
    if not data.startswith(b"\xff\xfe"):
        raise Refused("The task XML is malformed: unable to switch the encoding.")
    text = data.decode("utf-16")
    root = ET.fromstring(text.replace(' encoding="UTF-16"', ""))
    user = root.findtext(".//%sUserId" % _SPACE)
    if user != "S-1-5-18":
        raise Refused("No mapping between account names and security IDs was done: %s" % user)
    if root.findtext(".//%sCommand" % _SPACE) != "cmd.exe":
        raise Refused("This stand-in runs cmd.exe only.")
    task = {"at": None, "delay": None, "boot": False, "arguments": root.findtext(".//%sArguments" % _SPACE)}
    for trigger in root.find(_SPACE + "Triggers"):
        kind = trigger.tag[len(_SPACE) :]
        if kind == "TimeTrigger":
            moment = datetime.strptime(trigger.findtext(_SPACE + "StartBoundary"), "%Y-%m-%dT%H:%M:%SZ")
            task["at"] = moment.replace(tzinfo=timezone.utc).timestamp()
        elif kind == "RegistrationTrigger":
            task["delay"] = int(re.fullmatch(r"PT(\d+)S", trigger.findtext(_SPACE + "Delay"))[1])
        elif kind == "BootTrigger":
            task["boot"] = True
        else:
            raise Refused("The task XML contains an unexpected node: %s" % kind)
    return task
