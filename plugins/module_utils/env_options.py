# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of `env_file`, for the action plugin and for the module on the target."""

from __future__ import annotations

from typing import Any

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "raw", "default": "0600"},
    "seuser": {"type": "str"},
    "serole": {"type": "str"},
    "setype": {"type": "str"},
    "selevel": {"type": "str"},
}

ON_TARGET: dict[str, dict[str, Any]] = {
    "path": {"type": "path", "required": True},
    "public_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "backup": {"type": "bool", "default": False},
    **ATTRIBUTES,
}

OPTIONS: dict[str, dict[str, Any]] = {
    **ON_TARGET,
    "template": {"type": "str", "no_log": True},
    "template_src": {"type": "str"},
    "template_ref": {"type": "str"},
    "values": {"type": "dict", "default": {}},
    "rules": {"type": "dict", "default": {}},
    "token": {"type": "str", "no_log": True},
}

TEMPLATES = ["template", "template_src", "template_ref"]
