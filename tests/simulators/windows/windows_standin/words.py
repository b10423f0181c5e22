# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What netsh says, in English and in German."""

TEXTS = {
    "en": {
        "ok": "Ok.",
        "none": "No rules match the specified criteria.",
        "deleted": "Deleted %d rule(s).",
        "updated": "Updated %d rule(s).",
        "elevation": "The requested operation requires elevation (Run as administrator).",
        "argument": "A specified value is not valid.",
        "port": "A specified port value is not valid.",
        "port for protocol": "Ports can only be specified if the protocol is TCP or UDP.",
        "protocol": "A specified protocol value is not valid.",
        "address": "A specified IP address or address keyword is not valid.",
        "address family": "A specified IP version is not valid for this protocol.",
        "program": "A specified program path is not valid.",
        "file": "The system cannot find the file specified.",
        "command": "The following command was not found: %s.",
        "service": (
            "An error occurred while attempting to contact the  Windows Defender Firewall service. Make sure that the service is running "
            "and try your request again."
        ),
        "reg": "ERROR: The system was unable to find the specified registry key or value.",
        "name": "Rule Name:", "enabled": "Enabled:", "direction": "Direction:", "profiles": "Profiles:", "grouping": "Grouping:",
        "localip": "LocalIP:", "remoteip": "RemoteIP:", "protocol:": "Protocol:", "localport": "LocalPort:", "remoteport": "RemotePort:",
        "edge": "Edge traversal:", "action": "Action:", "description": "Description:", "yes": "Yes", "no": "No", "in": "In", "out": "Out",
        "allow": "Allow", "block": "Block", "bypass": "Bypass", "any": "Any", "on": "ON", "off": "OFF", "state": "State",
        "policy": "Firewall Policy", "settings": "%s Profile Settings: ", "logging": "Logging:", "enabled?": "Enable",
        "disabled?": "Disable",
        "domain": "Domain", "private": "Private", "public": "Public",
    },
    "de": {
        "ok": "OK.",
        "none": "Es stimmen keine Regeln mit den angegebenen Kriterien \u00fcberein.",
        "deleted": "%d Regel(n) gel\u00f6scht.",
        "updated": "%d Regel(n) aktualisiert.",
        "elevation": "Der angeforderte Vorgang erfordert erh\u00f6hte Rechte (als Administrator ausf\u00fchren).",
        "argument": "Ein angegebener Wert ist ung\u00fcltig.",
        "port": "Ein angegebener Portwert ist ung\u00fcltig.",
        "port for protocol": "Ports k\u00f6nnen nur f\u00fcr TCP oder UDP angegeben werden.",
        "protocol": "Ein angegebener Protokollwert ist ung\u00fcltig.",
        "address": "Eine angegebene IP-Adresse oder ein Adressschl\u00fcsselwort ist ung\u00fcltig.",
        "address family": "Eine angegebene IP-Version ist f\u00fcr dieses Protokoll ung\u00fcltig.",
        "program": "Ein angegebener Programmpfad ist ung\u00fcltig.",
        "file": "Das System kann die angegebene Datei nicht finden.",
        "command": "Folgender Befehl wurde nicht gefunden: %s.",
        "service": "Beim Versuch, eine Verbindung mit dem Windows Defender Firewall-Dienst herzustellen, ist ein Fehler aufgetreten.",
        "reg": "FEHLER: Der angegebene Registrierungsschl\u00fcssel bzw. Wert wurde nicht gefunden.",
        "name": "Regelname:", "enabled": "Aktiviert:", "direction": "Richtung:", "profiles": "Profile:", "grouping": "Gruppierung:",
        "localip": "Lokales IP:", "remoteip": "Remote-IP:", "protocol:": "Protokoll:", "localport": "Lokaler Port:",
        "remoteport": "Remoteport:", "edge": "Edgeausnahme:", "action": "Aktion:", "description": "Beschreibung:", "yes": "Ja",
        "no": "Nein",
        "in": "Eingehend", "out": "Ausgehend", "allow": "Zulassen", "block": "Blocken", "bypass": "Umgehen", "any": "Beliebig",
        "logging": "Protokollierung:", "enabled?": "Aktivieren", "disabled?": "Deaktivieren",
        "on": "EIN", "off": "AUS", "state": "Status", "policy": "Firewallrichtlinie", "settings": "%s-Profileinstellungen: ",
        "domain": "Dom\u00e4ne", "private": "Privat", "public": "\u00d6ffentlich",
    },
}  # fmt: skip
