#!/usr/bin/python

# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: env_file
short_description: Render a C(.env) for Compose from 1Password
version_added: 0.1.0
author: "AbstractFinance (@abstractfinance)"
description:
  - Renders a C(.env) from a template, from references to secrets in 1Password and from literal values,
    checks it against rules, and puts it on the target atomically.
  - Values are replaced by value, never by text, and encoded by the rules of Docker Compose,
    so that the container gets what 1Password holds, byte for byte.
    Comments, blank lines, order and lines that are not replaced stay as they are.
  - Secrets are resolved on the controller. The target needs no SDK and never sees the token.
    All tasks and hosts of a run share one sign-in, and no reference is asked for twice.
    References that stand in a note are only known once the note is there. They cost one more request.
  - All problems are reported at once, each with the key, the reference and what to do, and none with a value.
    Nothing is written while there is one.
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes
  - abstractfinance.ibgateway.attributes.action
attributes:
  check_mode:
    support: full
    details:
      - Secrets are resolved, rules are checked and the file on the target is compared, and nothing is written.
      - A directory that does not exist yet counts as one that an earlier task would have made.
  diff_mode:
    support: full
    details:
      - Shows the keys that are added, removed or changed. The values of all but O(public_keys) are masked,
        and comments are left out.
  action:
    support: full
options:
  path:
    description:
      - The C(.env) on the target. Its directory must exist, though not in check mode.
      - A symbolic link is refused.
    type: path
    required: true
  template:
    description:
      - The template itself.
      - A reference in double braces must not meet Jinja. Tag the template with C(!unsafe),
        or put it into a file or a note.
      - At most one of O(template), O(template_src) and O(template_ref) can be given.
        Without any, the file holds O(values) only.
    type: str
  template_src:
    description:
      - A file on the controller that holds the template. Relative paths are looked for in C(templates)
        beside the role's tasks and beside the playbook.
      - The file is not passed through Jinja. It can be encrypted with Ansible Vault.
    type: str
  template_ref:
    description:
      - The reference of a note in 1Password that holds the template, for example
        V(op://AF - Trading Infra - Staging/abstractfinance.staging.env/notesPlain).
    type: str
  values:
    description:
      - Values by key. They replace those of the template. Keys that the template lacks are appended.
      - A value is a literal, a reference C(op://vault/item/field) or C(op://vault/item/section/field),
        or text with references in double braces, as C(op inject) writes them.
      - The template's own values can hold references in the same ways.
      - Literals are no place for secrets. They stand in the playbook.
    type: dict
    default: {}
  rules:
    description:
      - "What the values must be: a dictionary of rules for each key.
        Values from the template are held to them as well."
      - An empty value is held to C(required), C(not_empty) and C(equals) only.
      - C(required) (boolean), the key must be there.
      - C(not_empty) (boolean), its value must not be empty.
      - C(choices) (list of strings), it must be one of these, exactly.
      - C(pattern) (string), a regular expression that the whole value must match.
      - C(max_length) (integer), the most characters that count.
      - C(base32) (boolean), it must be a TOTP key and no six-digit code.
      - C(gateway_username), C(gateway_password) (boolean), it must have nothing that the gateway's image would drop,
        mistype, print or execute, such as white space, a backtick, C($() or a leading C(-).
      - C(equals) (string), what the inventory states.
      - C(account_for) (string), the name of the key with the trading mode. The value is an account id,
        whose prefix must be of that mode.
      - C(hint) (string), what to add to the message.
    type: dict
    default: {}
  public_keys:
    description:
      - Keys whose values are no secret. They are shown in messages and differences, and returned in RV(public).
    type: list
    elements: str
    default: []
  token:
    description:
      - The token of a 1Password service account that can read the vaults.
      - By default the environment variable E(OP_SERVICE_ACCOUNT_TOKEN) of the controller is used.
        Do not set it by C(environment), which passes it to the target and prints it.
      - Refused unless it signs in at C(1password.com), C(1password.ca) or C(1password.eu).
    type: str
  backup:
    description:
      - Keep the old file beside the new one, with the time in its name and for its owner only.
      - It holds the old secrets.
    type: bool
    default: false
  owner:
    description:
      - Owner of the file. By default the user that the task runs as, which with C(become) is root.
    type: str
  group:
    description:
      - Group of the file. By default the group of the user that the task runs as.
    type: str
  mode:
    description:
      - Mode of the file, as a quoted octal number or a symbolic mode.
    type: raw
    default: "0600"
  seuser:
    description:
      - The user part of the SELinux context. V(_default) is that of the policy.
    type: str
  serole:
    description:
      - The role part of the SELinux context. V(_default) is that of the policy.
    type: str
  setype:
    description:
      - The type part of the SELinux context. V(_default) is that of the policy.
    type: str
  selevel:
    description:
      - The level part of the SELinux context. V(_default) is that of the policy.
    type: str
requirements:
  - C(onepassword-sdk) 0.4 on the controller, in the Python that runs C(ansible-playbook), if there are references
  - Docker Compose 2.24 or newer to read the file
notes:
  - The rendered file reaches the target by standard input, never in a temporary file or an argument.
    Pipelining is used for this task whatever the configuration says, and C(ANSIBLE_KEEP_REMOTE_FILES) is not honoured.
    A connection that cannot do that (a forced terminal, C(su)) is refused.
  - The file is replaced atomically. A run that is killed leaves the old file or the new one, and no other with secrets.
    Only if the machine stops at the very instant of the replacement can a file of mode 0600 with a name that starts
    with C(.NAME.abstractfinance-) stay beside it. The next run that writes the file removes it.
  - A file that would not change is left alone, its time of modification too.
  - A process of its own keeps the secrets of the run in memory, and ends with C(ansible-playbook).
    What 1Password refused once is refused for the rest of the run.
  - Rate limits and network failures are tried again, at most three times and with growing pauses. Nothing else is.
  - Service accounts of 1Password Teams and Families can make 1,000 requests an hour. A run needs two,
    however many hosts.
seealso:
  - name: Secret references
    description: How a reference is written.
    link: https://developer.1password.com/docs/cli/secret-reference-syntax/
  - name: Service accounts
    description: How to get a token.
    link: https://developer.1password.com/docs/service-accounts/
  - module: ansible.builtin.copy
"""

EXAMPLES = r"""
- name: The stack's .env, from the note and the items of the environment
  abstractfinance.ibgateway.env_file:
    path: /srv/abstractfinance/.env
    template_ref: op://AF - Trading Infra - Staging/abstractfinance.staging.env/notesPlain
    values:
      IBKR_USERNAME: op://AF - Trading Infra - Staging/ibkr.staging/username
      IBKR_PASSWORD: op://AF - Trading Infra - Staging/ibkr.staging/password
      IBKR_TOTP_KEY: op://AF - Trading Infra - Staging/ibkr.staging.totp-key/password
    public_keys: [IBKR_USERNAME, IBKR_ACCOUNT_ID, TRADING_MODE]
    rules:
      IBKR_USERNAME: {required: true, not_empty: true, gateway_username: true}
      IBKR_PASSWORD: {required: true, not_empty: true, gateway_password: true}
      IBKR_TOTP_KEY: {base32: true}
      IBKR_ACCOUNT_ID: {required: true, equals: DU1234567, account_for: TRADING_MODE}
      TRADING_MODE: {required: true, choices: [Paper Trading, Live Trading], equals: Paper Trading}
      VNC_PASSWORD: {required: true, not_empty: true, max_length: 8}

- name: From a file on the controller, for a service that does not run as root
  abstractfinance.ibgateway.env_file:
    path: /srv/reports/.env
    template_src: reports.env
    owner: reports
    group: reports
    mode: "0640"
    backup: true

- name: Inline, with a reference amid other text
  abstractfinance.ibgateway.env_file:
    path: /srv/reports/.env
    template: !unsafe |
      # The database of the reports
      DATABASE_URL=postgres://reports:{{ op://AF - Trading Infra - Staging/reports/password }}@db.example/reports
      LOG_LEVEL=info

- name: See what would change, and where the login would differ
  abstractfinance.ibgateway.env_file:
    path: /srv/abstractfinance/.env
    template_ref: op://AF - Trading Infra - Staging/abstractfinance.staging.env/notesPlain
  check_mode: true
  register: env

- name: Say whether a clean restart is needed
  ansible.builtin.debug:
    msg: The login changes.
  when: env.keys_changed | intersect(['IBKR_USERNAME', 'IBKR_PASSWORD', 'IBKR_TOTP_KEY'])
"""

RETURN = r"""
path:
  description: The file on the target.
  returned: success
  type: str
  sample: /srv/abstractfinance/.env
current:
  description: Whether the file was exactly that already, its owner and mode included.
  returned: success
  type: bool
  sample: false
keys_added:
  description: Keys that the file did not have.
  returned: success
  type: list
  elements: str
  sample: [VNC_PASSWORD]
keys_removed:
  description: Keys that the file no longer has.
  returned: success
  type: list
  elements: str
  sample: []
keys_changed:
  description:
    - Keys whose value, as Compose reads it, is another one. Other quoting is no change of the value.
  returned: success
  type: list
  elements: str
  sample: [IBKR_PASSWORD]
public:
  description: The values of O(public_keys) in the new file.
  returned: success
  type: dict
  sample:
    TRADING_MODE: Paper Trading
backup_file:
  description: The old file's copy.
  returned: changed and O(backup=true)
  type: str
  sample: /srv/abstractfinance/.env.4711.2026-01-05@09:15:00~
problems:
  description: All that is wrong. Nothing was written.
  returned: failure
  type: list
  elements: dict
  contains:
    code:
      description: The cause's code.
      type: str
      sample: trading-mode-misspelt
    key:
      description: The key that it concerns, empty if none.
      type: str
      sample: TRADING_MODE
    message:
      description: What is wrong, where, and what to do.
      type: str
      sample: >-
        TRADING_MODE is 'paper'
        (line 11 of the note op://AF - Trading Infra - Staging/abstractfinance.staging.env/notesPlain),
        and must be exactly `Paper Trading` or `Live Trading`: did you mean `Paper Trading`?
code:
  description: The code of the first problem.
  returned: failure
  type: str
  sample: trading-mode-misspelt
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import env_change, env_options, secret_file
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError


def main() -> None:
    module = AnsibleModule(
        argument_spec=env_options.OPTIONS,
        mutually_exclusive=[env_options.TEMPLATES],
        supports_check_mode=True,
    )
    os.umask(0o077)
    if module.params["template"] is None:
        module.fail_json(msg="env_file needs its action plugin: call it by the name abstractfinance.ibgateway.env_file")
    try:
        run(module)
    except GatewayError as error:
        module.fail_json(msg=str(error), code=error.code)
    except OSError as error:
        message = f"{module.params['path']} cannot be written: {os.strerror(error.errno or 0)}"
        module.fail_json(msg=f"{message}: look at the directory's owner, mode and space [env-path-unusable]")


def run(module: AnsibleModule) -> None:
    """The action plugin has rendered the template: here it is the content."""
    path, content = module.params["path"], module.params["template"]
    old = secret_file.read(path, parent_to_come=module.check_mode)
    change = env_change.compare(old, content, module.params["public_keys"])
    result = {"changed": old != content.encode(), "path": path, **env_change.as_result(change)}
    attributes = module.load_file_common_arguments({**module.params, **owners(module)}, path=path)
    if result["changed"] and not module.check_mode:
        if module.params["backup"] and old is not None:
            result["backup_file"] = module.backup_local(path)
            os.chmod(result["backup_file"], 0o600)
        secret_file.replace(
            path,
            content.encode(),
            lambda temporary: module.set_fs_attributes_if_different({**attributes, "path": temporary}, False),
        )
    if module._diff:
        result["diff"] = {
            "before_header": path,
            "after_header": path,
            "before": change.before,
            "after": change.after,
        }
    if old is not None or not module.check_mode:
        result["changed"] = module.set_fs_attributes_if_different(attributes, result["changed"])
    module.exit_json(current=not result["changed"], **result)


def owners(module: AnsibleModule) -> dict[str, str]:
    """The user that the task runs as, where no other is named."""
    return {
        "owner": module.params["owner"] or str(os.geteuid()),
        "group": module.params["group"] or str(os.getegid()),
    }


if __name__ == "__main__":
    main()
