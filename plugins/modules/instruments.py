# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: instruments
short_description: Check the file of instruments before it trades, and write it with IBKR's exchange names
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Reads a file of the stack's source on the controller, C(config/instruments.yaml), and reports everything that is wrong
    with it at once, each problem with its line. Unknown keys, missing ones, duplicates, misspelt values, values that YAML
    reads as something else, exchanges that IBKR does not have.
  - Retail accounts in the EU cannot buy an ETF without Key Information Document (PRIIPs). A US-listed ETF must name
    its UCITS alternative, or state that it has a KID; the error names the alternative where one is known. Single
    stocks pass.
  - What the file does not state is listed as undecided, not guessed. Whether an instrument without C(type) is an ETF, and
    whether an ETF outside the US has a KID.
  - With O(dest) the file is written to the target with IBKR's names filled in, atomically. Each instrument gets its
    C(primary_exchange), and each C(alternative) its listing. Comments stay in the source.
  - The file is read within bounds. At most 1 MiB and 8 levels; anchors, aliases, tags and further documents are refused.
options:
  src:
    description: The file on the controller. A relative name is looked for like a file of M(ansible.builtin.copy).
    type: str
    required: true
  dest:
    description:
      - Where the target gets the file with IBKR's names, root's and readable by all. Its folder is made where it is missing.
      - Without it the file is only checked, and no host is contacted.
    type: path
  eu_retail:
    description: Whether the account is an EU retail account, which cannot buy ETFs without KID.
    type: bool
    default: true
  enforce:
    description:
      - What breaks the rules of the account is an error, or (V(warn)) only a warning.
      - What is wrong with the file itself is an error with both.
    type: str
    default: error
    choices: [error, warn]
  ucits_alternatives:
    description: >-
      Further UCITS alternatives, by the US-listed ETF's symbol; each has C(symbol), C(exchange) and C(currency). They
      come before those of the collection.
    type: dict
    default: {}
  exchanges:
    description: >-
      Further exchanges, by the name that the file uses; each has IBKR's C(primaryExchange) for a C(stock), for an C(etf)
      or for both, and C(us=true) where it is in the US. They come before those of the collection.
    type: dict
    default: {}
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes.controller
attributes:
  diff_mode:
    support: full
seealso:
  - plugin: abstractfinance.ibgateway.primary_exchange
    plugin_type: filter
  - plugin: abstractfinance.ibgateway.ucits_alternative
    plugin_type: filter
  - name: PRIIPs at IBKR
    description: Why ETFs without KID are closed to retail accounts in the EU.
    link: https://www.ibkrguides.com/kb/article-2993.htm
"""

EXAMPLES = r"""
# config/instruments.yaml
#
#   instruments:
#     - symbol: CSPX
#       type: etf
#       exchange: LSE
#       currency: USD
#     - symbol: QQQ
#       type: etf
#       exchange: NASDAQ
#       currency: USD
#       alternative: CNDX
#     - symbol: ARCC
#       type: stock
#       exchange: NASDAQ
#       currency: USD

- name: Check the instruments
  abstractfinance.ibgateway.instruments:
    src: config/instruments.yaml

- name: Write them to the host, with an alternative that the collection does not know
  abstractfinance.ibgateway.instruments:
    src: config/instruments.yaml
    dest: /srv/abstractfinance/config/instruments.yaml
    ucits_alternatives:
      VTI:
        symbol: VWRA
        exchange: LSE
        currency: USD

- name: Warn only
  abstractfinance.ibgateway.instruments:
    src: config/instruments.yaml
    enforce: warn
"""

RETURN = r"""
count:
  description: How many instruments the file lists.
  type: int
  returned: when the file could be read
  sample: 12
alternatives:
  description: How many of them are traded by their UCITS alternative.
  type: int
  returned: when the file could be read
  sample: 1
against:
  description: What they were checked against.
  type: list
  elements: str
  returned: when the file could be read
  sample: ["IBKR's exchange names", the EU's rules for retail accounts (PRIIPs)]
problems:
  description: Everything that is wrong, in the order of the lines; the first 100.
  type: list
  elements: dict
  returned: when the file could be read
  contains:
    line:
      description: Line of the file, or 0 for the whole of it.
      type: int
    symbol:
      description: The instrument, where there is one.
      type: str
    code:
      description: Code of the cause.
      type: str
    message:
      description: What is wrong, and what to do.
      type: str
undecided:
  description: What the file does not state and is not known, in the form of RV(problems).
  type: list
  elements: dict
  returned: when the file could be read
code:
  description: Code of the first problem.
  type: str
  returned: failure
  sample: instruments-no-kid
current:
  description: Whether the target had the file already as it should be.
  type: bool
  returned: success and O(dest) is set
dest:
  description: The file on the target.
  type: str
  returned: success and O(dest) is set
"""
