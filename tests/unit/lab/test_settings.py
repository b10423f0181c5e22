# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and places of a lab. Touches nothing."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.tests.lab.errors import LabError
from ansible_collections.holdfast.firewall.tests.lab.settings import Settings, checked_name


def test_the_defaults_need_no_environment():
    settings = Settings.from_environment(environ={})
    assert str(settings.state) == "/var/tmp/holdfast-lab/holdfast-lab"
    assert str(settings.cache) == "/var/cache/holdfast-lab"
    assert settings.scope == "holdfast-lab"


def test_the_option_wins_over_the_environment():
    assert Settings.from_environment("mine", environ={"HOLDFAST_LAB": "other"}).lab == "mine"
    assert Settings.from_environment(environ={"HOLDFAST_LAB": "other"}).lab == "other"


def test_labs_share_no_name_on_the_machine():
    environments = [
        {},
        {"HOLDFAST_LAB": "b"},
        {"HOLDFAST_LAB_STATE": "/srv/state"},
        {"HOLDFAST_LAB": "b", "HOLDFAST_LAB_STATE": "/srv/state"},
        {"HOLDFAST_LAB": "b", "HOLDFAST_LAB_STATE": "/srv/other"},
    ]
    labs = [Settings.from_environment(environ=environ) for environ in environments]
    assert len({lab.scope for lab in labs}) == len(labs)
    assert len({lab.machine(10) for lab in labs}) == len(labs)


def test_the_name_of_the_veth_fits_into_an_interface_name():
    assert len("vb-" + Settings.from_environment("a" * 31, environ={}).machine(250)) <= 15


def test_another_process_sees_the_same_lab():
    settings = Settings.from_environment("b", environ={"HOLDFAST_LAB_STATE": "/srv/state"})
    assert Settings.from_environment(environ=settings.environment) == settings


@pytest.mark.parametrize("name", ["", "../x", "Web", "1web", "a" * 32, "a.b", "a b", "-a", "web1\n"])
def test_unfit_names_are_refused(name):
    with pytest.raises(LabError, match="web1"):
        checked_name(name, "host")


@pytest.mark.parametrize("path", ["/a:b", "/a,b", "/a\\b", "/a b"])
def test_paths_that_mount_options_cannot_hold_are_refused(path):
    with pytest.raises(LabError, match="HOLDFAST_LAB_STATE"):
        Settings.from_environment(environ={"HOLDFAST_LAB_STATE": path})
