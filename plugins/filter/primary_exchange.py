# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: primary_exchange
short_description: IBKR's primaryExchange of an exchange's usual name
version_added: 0.1.0
author: AbstractFinance (@abstractfinance)
description:
  - Tells by which C(primaryExchange) IBKR knows a listing. LSE is C(LSEETF) for ETFs, XETRA is C(IBIS), SBF is C(SBF).
  - An exchange that is not known is an error, which names the one that was probably meant.
positional: type
options:
  _input:
    description: The exchange's name, or an instrument (a mapping with C(exchange) and C(type)).
    type: raw
    required: true
  type:
    description: V(etf), V(stock), or V(STK) where it is not known which. With an instrument, its own C(type) comes first.
    type: str
    default: etf
    choices: [etf, stock, STK]
  exchanges:
    description: Further exchanges, as of the option O(abstractfinance.ibgateway.instruments#module:exchanges).
    type: dict
    default: {}
seealso:
  - module: abstractfinance.ibgateway.instruments
"""

EXAMPLES = r"""
- name: LSEETF
  ansible.builtin.debug:
    msg: "{{ 'LSE' | abstractfinance.ibgateway.primary_exchange }}"

- name: LSE
  ansible.builtin.debug:
    msg: "{{ 'LSE' | abstractfinance.ibgateway.primary_exchange('stock') }}"

- name: IBIS
  ansible.builtin.debug:
    msg: "{{ {'symbol': 'SAP', 'type': 'stock', 'exchange': 'XETRA'} | abstractfinance.ibgateway.primary_exchange }}"
"""

RETURN = r"""
_value:
  description: IBKR's primaryExchange.
  type: str
"""

from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import instruments
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError


def primary_exchange(exchange: Any, type: str = instruments.ETF, exchanges: Mapping[str, Any] | None = None) -> str:  # noqa: A002
    if isinstance(exchange, Mapping):
        type = str(exchange.get("type", instruments.EITHER))  # noqa: A001
        exchange = exchange.get("exchange")
    if not isinstance(exchange, str) or type not in instruments.TYPES:
        raise AnsibleFilterError(
            "primary_exchange: it takes an exchange's name, or an instrument with exchange and type, and the types"
            f" {', '.join(instruments.TYPES)}. [instruments-schema]"
        )
    try:
        return instruments.primary_exchange(exchange, type, instruments.known_exchanges(exchanges))
    except GatewayError as error:
        raise AnsibleFilterError(f"primary_exchange: {error}") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"primary_exchange": primary_exchange}
