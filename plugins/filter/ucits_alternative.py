# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: ucits_alternative
short_description: The UCITS alternative of a US-listed ETF
version_added: 0.1.0
author: AbstractFinance (@abstractfinance)
description:
  - Retail accounts in the EU cannot buy US-listed ETFs without Key Information Document. This names the UCITS ETF to
    trade instead. SPY has CSPX, QQQ has CNDX and LQD has LQDE, each on LSE.
  - An ETF whose alternative is not known is an error.
positional: field
options:
  _input:
    description: The US-listed ETF's symbol.
    type: str
    required: true
  field:
    description: What to return of the alternative. V(primary_exchange) is IBKR's name of its exchange.
    type: str
    default: symbol
    choices: [symbol, exchange, currency, primary_exchange]
  alternatives:
    description: Further alternatives, as of the option O(abstractfinance.ibgateway.instruments#module:ucits_alternatives).
    type: dict
    default: {}
  exchanges:
    description: Further exchanges, as of the option O(abstractfinance.ibgateway.instruments#module:exchanges).
    type: dict
    default: {}
seealso:
  - module: abstractfinance.ibgateway.instruments
"""

EXAMPLES = r"""
- name: CSPX
  ansible.builtin.debug:
    msg: "{{ 'SPY' | abstractfinance.ibgateway.ucits_alternative }}"

- name: LSEETF
  ansible.builtin.debug:
    msg: "{{ 'SPY' | abstractfinance.ibgateway.ucits_alternative('primary_exchange') }}"
"""

RETURN = r"""
_value:
  description: The alternative's symbol, or the field that was asked for.
  type: str
"""

from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import instruments
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

FIELDS = ("symbol", "exchange", "currency", "primary_exchange")


def ucits_alternative(
    symbol: Any,
    field: str = "symbol",
    alternatives: Mapping[str, Any] | None = None,
    exchanges: Mapping[str, Any] | None = None,
) -> str:
    if not isinstance(symbol, str) or field not in FIELDS:
        raise AnsibleFilterError(
            f"ucits_alternative: it takes an ETF's symbol, and one of the fields {', '.join(FIELDS)}. [instruments-schema]"
        )
    try:
        places = instruments.known_exchanges(exchanges)
        found = instruments.ucits_alternative(symbol, instruments.known_alternatives(alternatives, places))
        if field == "primary_exchange":
            return instruments.primary_exchange(found["exchange"], instruments.ETF, places)
    except GatewayError as error:
        raise AnsibleFilterError(f"ucits_alternative: {error}") from None
    return found[field]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"ucits_alternative": ucits_alternative}
