#!/usr/bin/python
# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_diagnose
short_description: Find out what is wrong with a gateway, in one round trip
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Collects all that the host tells of its gateway - the container and its log, what listens and what runs in it, the dialogs
    on its screen, C(launcher.log), the answer of its trading API, its settings and those of C(.env), the engine, Compose, disk,
    clock and ports - and names the causes that it shows, most decisive first.
  - Causes are entries of the catalogue of causes. What was found sound is listed as well. A healthy gateway has no cause. What
    fits no entry is V(unknown), with the evidence; nothing is guessed.
  - Where neither the log nor the gateway's own agent (JAuto) tells why a login stands still, the text on its screen is read by
    C(tesseract), where the host has it. Of what was read only the catalogue's own words leave the host.
  - Secrets are masked on the host. Usernames and accounts are tags by which two can be told apart; the names behind the tags
    are in RV(names), for the operator, and nowhere else.
  - Makes at most one connection to the trading API (a second one where its client id is in use), starts no login, and
    disturbs none.
options:
  due:
    description: Whether a gateway is to run on this host. With V(false), only the sessions on the host are looked at.
    type: bool
    default: true
  trading_engine:
    description: Name of the trading engine's container. Left out where there is none.
    type: str
  connected_pattern:
    description: Regular expression of the line in the trading engine's log that says that it is connected.
    type: str
  env_rules:
    description: Rules for the values of C(.env), as in M(abstractfinance.ibgateway.env_file).
    type: dict
    default: {}
  reset_windows:
    description:
      - When IBKR resets its servers, as C(days) (V(Mon) to V(Sun), every day where left out), C(from) and C(to), in local time.
      - Held against the time on the controller.
    type: list
    elements: dict
    default: []
  reset_timezone:
    description: Time zone of O(reset_windows), by its tz name.
    type: str
    default: Europe/Berlin
  reset_until:
    description: When the reset window ends that the time is in, in words. Filled in from O(reset_windows).
    type: str
    default: ''
  patience:
    description: Seconds after which a login that shows nothing new counts as one that hangs.
    type: int
    default: 120
  client_id:
    description: The API client id of the proof. The next higher one is tried when it is in use.
    type: int
    default: 7493
  tag_key:
    description:
      - A secret of the controller's, by which usernames and accounts become tags.
      - The same key gives the same tags on every host and in every run.
    type: str
    required: true
extends_documentation_fragment:
  - abstractfinance.ibgateway.stack
  - abstractfinance.ibgateway.engine
  - abstractfinance.ibgateway.attributes
  - abstractfinance.ibgateway.attributes.info_module
  - abstractfinance.ibgateway.attributes.action
attributes:
  action:
    support: full
    details:
      - Compares the host's clock with the controller's, and the time with O(reset_windows).
seealso:
  - module: abstractfinance.ibgateway.gateway_login
  - module: abstractfinance.ibgateway.diagnosis_report
"""

EXAMPLES = r"""
- name: Find out what is wrong with the gateway
  abstractfinance.ibgateway.gateway_diagnose:
    host: "{{ inventory_hostname }}"
    trading_mode: Paper Trading
    account: DU1234567
    tag_key: "{{ lookup('ansible.builtin.password', '~/.ibgateway-tags', length=32) }}"
  register: gateway_found

- name: Show the causes
  ansible.builtin.debug:
    msg: "{{ gateway_found.causes | map(attribute='message') }}"
"""

RETURN = r"""
state:
  description: How the login stands, as M(abstractfinance.ibgateway.gateway_login) has it, or V(unknown).
  type: str
  returned: always
  sample: failed
stage:
  description: The stage that the login has reached.
  type: str
  returned: always
  sample: second-factor
causes:
  description: The causes that were found, most decisive first, which is the order in which to mend them.
  type: list
  elements: dict
  returned: always
  contains:
    code:
      description: The code of the catalogue's entry.
      type: str
      sample: wrong-credentials
    title:
      description: The entry's title.
      type: str
    severity:
      description: V(error), or V(warning) for what works and should not stay so.
      type: str
    message:
      description: What is wrong, where, and what to do next.
      type: str
    evidence:
      description: The lines and values that show it.
      type: list
      elements: str
    meaning:
      description: Why it is so.
      type: str
    remedy:
      description: Steps for a person.
      type: list
      elements: str
    product_remedy:
      description: The command that mends it. Null where none does.
      type: str
    guide:
      description: Rows of the operating guide.
      type: list
      elements: str
sound:
  description: What was looked at and is as it should be.
  type: list
  elements: dict
  returned: always
  sample: [{what: Clock, shown: 0.1 s from the controller's}]
unseen:
  description: What would have been looked at and could not be, each with why.
  type: list
  elements: dict
  returned: always
  sample:
    - what: Text on the screen
      why: "not read: the program tesseract is not on the host (Debian, Ubuntu: apt-get install tesseract-ocr)"
timeline:
  description: The stages of the login with the time at which each began.
  type: list
  elements: dict
  returned: always
login:
  description: The gateway's username, as a tag.
  type: str
  returned: always
  sample: login-3f9a1c
account:
  description: The expected account, as a tag.
  type: str
  returned: always
mode:
  description: V(paper) or V(live), by the inventory.
  type: str
  returned: always
sessions:
  description: The sessions on the host, their usernames as tags.
  type: list
  elements: dict
  returned: always
fingerprints:
  description: By which the secrets of two hosts can be found to be the same. Of no use without O(tag_key).
  type: dict
  returned: always
evidence:
  description: The masked evidence, as much of it as a report shows.
  type: dict
  returned: always
screen:
  description:
    - The gateway's screen as a PNG in base64, where its login is not in, with typed fields and names covered.
    - Null where there is no picture, or where JAuto does not tell what is on it.
  type: str
  returned: always
names:
  description: The usernames and accounts behind the tags, for the operator's eyes.
  type: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.diagnose import diagnose
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.evidence import Wanted
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.hours import RESET_TIMEZONE
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.login import Bounds
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.stack_options import STACK, wanted

LISTEN = 0.3
INSTALL_TIMEOUT = 900
PROOF_TIMEOUT = 60


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STACK,
            "due": {"type": "bool", "default": True},
            "trading_engine": {"type": "str"},
            "connected_pattern": {"type": "str"},
            "env_rules": {"type": "dict", "default": {}},
            "reset_windows": {"type": "list", "elements": "dict", "default": []},
            "reset_timezone": {"type": "str", "default": RESET_TIMEZONE},
            "reset_until": {"type": "str", "default": ""},
            "patience": {"type": "int", "default": 120},
            "client_id": {"type": "int", "default": 7493},
            "tag_key": {"type": "str", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    look = Wanted(
        preflight=wanted(params, compose_content=None),
        due=params["due"],
        account=params["account"] or "",
        trading_engine=params["trading_engine"],
        trading_pattern=params["connected_pattern"],
        env_rules=params["env_rules"],
        client_id=params["client_id"],
        bounds=Bounds(INSTALL_TIMEOUT, params["patience"], PROOF_TIMEOUT, LISTEN),
        tag_key=params["tag_key"],
        reset_until=params["reset_until"],
    )
    try:
        found = diagnose(look)
    except GatewayError as error:
        module.fail_json(msg=str(error), code=error.code)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
