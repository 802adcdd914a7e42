# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In what a gateway's container differs from what Compose would make of the host's `.env`, by names and never by values."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import dotenv
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateways import environment

_REFERENCE = re.compile(r"\$\{(?P<key>\w+)(?::-(?P<default>[^}]*)|:\?[^}]*)?\}")


def read_env(path: str) -> Dict[str, Optional[str]]:
    """The keys of a `.env` with their values as Compose reads them; none where it is not there or no `.env`."""
    try:
        with open(path, "rb") as stream:
            document = dotenv.parse(dotenv.decode(stream.read()))
    except (OSError, GatewayError):
        return {}
    return {key: entry.value for key, entry in document.entries().items()}


def resolve(template: Mapping[str, str], env: Mapping[str, Optional[str]]) -> Dict[str, Optional[str]]:
    """What Compose gives the variables of a service: `${KEY:?}`, `${KEY:-default}` or a literal. None where a key is not
    there, or its value cannot be told.
    """
    found: Dict[str, Optional[str]] = {}
    for name, text in template.items():
        match = _REFERENCE.fullmatch(text)
        found[name] = text if match is None else env.get(match["key"]) or match["default"]
    return found


def differing(inspect: Mapping[str, Any], template: Mapping[str, str], env: Mapping[str, Optional[str]]) -> List[str]:
    """The variables whose value in the container is not what Compose would give it; unset and empty are the same.

    One that cannot be told differs.
    """
    has = environment(inspect)
    return sorted(name for name, value in resolve(template, env).items() if has.get(name, "") != value)
