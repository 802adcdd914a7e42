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
  - Renders a C(.env) from a template, from secrets in 1Password and from literal values, checks it against rules,
    and replaces the file on the target atomically.
  - A value is put in as a value, not as text, and encoded as Docker Compose reads it. The container gets what 1Password
    holds, byte for byte, whatever quotes, dollars or line breaks are in it.
    Comments, blank lines, the order, and lines whose value stays are kept byte for byte.
  - Secrets are resolved on the controller. The target needs no SDK and never sees the token.
  - All hosts and tasks of a run share one sign-in and one bulk request. Where the template is a note that holds
    references itself, a second request resolves those.
  - All problems are reported at once, each with the key, the reference and what to do, and without any value.
    Nothing is written as long as there is one.
extends_documentation_fragment:
  - abstractfinance.ibgateway.attributes
  - abstractfinance.ibgateway.attributes.action
attributes:
  check_mode:
    support: full
    details:
      - Secrets are resolved, rules checked and files compared as usual. Nothing is written.
      - A missing directory is taken for one that an earlier task would have made.
  diff_mode:
    support: full
    details:
      - Shows which keys are added, removed or changed. All values but those of O(public_keys) are masked.
        Comments are left out.
  action:
    support: full
options:
  path:
    description:
      - The C(.env) on the target. Its directory must exist.
      - A symbolic link is refused.
    type: path
    required: true
  template:
    description:
      - The template, inline.
      - Tag it with C(!unsafe) if it has references in double braces, which Jinja would take for its own.
        In a file or a note they are safe.
      - O(template), O(template_src) and O(template_ref) exclude each other. Without any of them, the file holds
        O(values) only.
    type: str
  template_src:
    description:
      - A file on the controller that holds the template. A relative path is looked for in the directory C(templates)
        of the role and beside the playbook.
      - The file is not passed through Jinja. It can be encrypted with Ansible Vault.
    type: str
  template_ref:
    description:
      - The reference of a note in 1Password that holds the template, such as
        V(op://AF - Trading Infra - Staging/abstractfinance.staging.env/notesPlain).
    type: str
  values:
    description:
      - Values by key. They replace those of the template. A key that the template lacks is appended.
      - A value is a reference, V(op://vault/item/field) or V(op://vault/item/section/field), or a literal, or text with
        references in double braces, as C(op inject) writes them.
      - References in the template's own values are resolved in the same way.
      - A literal stands in the playbook, so a secret does not belong there.
    type: dict
    default: {}
  rules:
    description:
      - By key, what the value must be, wherever it comes from. Each key has a dictionary of the rules below.
      - An empty value is held to C(required), C(not_empty) and C(equals) only.
      - "C(required) (boolean): the key must be there."
      - "C(not_empty) (boolean): the value must not be empty."
      - "C(choices) (list of strings): the value must be one of these, exactly. The message names the one that was
        probably meant, if the key is one of O(public_keys)."
      - "C(pattern) (string): a regular expression that must match the whole value."
      - "C(max_length) (integer): how many characters the value may have, for what ignores the rest silently, as VNC does."
      - "C(base32) (boolean): the value must be a TOTP key, not a six-digit code."
      - "C(gateway_username), C(gateway_password) (boolean): the value must survive the gateway's image, which drops white
        space, mistypes what is not ASCII, executes a backtick and C($(), and prints what starts with C(-)."
      - "C(equals) (string): the value that the inventory states."
      - "C(account_for) (string): the name of the key that holds the trading mode. The value must be an account ID of that
        mode: C(DU) or C(DF) in front for V(Paper Trading), C(U) or C(F) for V(Live Trading)."
      - "C(hint) (string): text for the message when a rule of this key is broken."
    type: dict
    default: {}
  public_keys:
    description:
      - Keys whose values are no secret. They are shown in messages and in the difference, and returned in RV(public).
    type: list
    elements: str
    default: []
  token:
    description:
      - The token of a 1Password service account that can read the vaults.
      - Without it, the controller's environment variable E(OP_SERVICE_ACCOUNT_TOKEN) is used. Export it before
        C(ansible-playbook) runs. The keyword C(environment) would pass it to the target and print it.
      - A token that signs in elsewhere than at C(1password.com), C(1password.ca) or C(1password.eu) is refused.
    type: str
  backup:
    description:
      - Whether to keep the old file, secrets and all, beside the new one. The copy has the time in its name and mode 0600.
    type: bool
    default: false
  owner:
    description:
      - Owner of the file. Without it, the user that the task runs as, which is root with C(become).
    type: str
  group:
    description:
      - Group of the file. Without it, the group of the user that the task runs as.
    type: str
  mode:
    description:
      - Mode of the file, as a quoted octal number or as a symbolic mode.
    type: raw
    default: "0600"
  seuser:
    description:
      - The user part of the SELinux context. V(_default) takes it from the policy.
    type: str
  serole:
    description:
      - The role part of the SELinux context. V(_default) takes it from the policy.
    type: str
  setype:
    description:
      - The type part of the SELinux context. V(_default) takes it from the policy.
    type: str
  selevel:
    description:
      - The level part of the SELinux context. V(_default) takes it from the policy.
    type: str
requirements:
  - onepassword-sdk 0.4 in the Python that runs C(ansible-playbook), if there are references
  - Docker Compose 2.24 or newer, to read the file
notes:
  - The rendered file reaches the target by standard input, never by a temporary file or an argument. So this task always
    uses pipelining and ignores C(ANSIBLE_KEEP_REMOTE_FILES). A connection that cannot do that, because of a forced
    terminal or of C(su), is refused.
  - A run that is killed leaves the old file or the new one, and no other file with secrets.
    Only a machine that stops at the very moment of the replacement can leave one, of mode 0600 and with a name like
    C(..env.abstractfinance-0123456789abcdef). The next run that writes the file removes it.
  - A file that would not change is not touched, nor is its time of modification.
  - A process of its own keeps the secrets of a run in memory and ends with C(ansible-playbook).
  - Rate limits and network failures are tried again, at most three times and with growing pauses.
    When that did not help, a later attempt of the task (C(until)) asks again. What 1Password refused, such as a token or
    an item, stays refused for the rest of the run.
  - A run needs two of the requests that 1Password allows a service account in an hour, 1,000 at the least, however many
    hosts and keys there are.
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

- name: See what would change, without writing it
  abstractfinance.ibgateway.env_file:
    path: /srv/abstractfinance/.env
    template_ref: op://AF - Trading Infra - Staging/abstractfinance.staging.env/notesPlain
  check_mode: true
  register: env

- name: Say that the gateway needs a clean restart
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
  description: Whether the file was exactly as wanted already, its owner and mode included.
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
    - Keys whose value has changed, as Compose reads it. Another quoting of the same value does not count.
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
  description: The copy of the old file.
  returned: changed and O(backup=true)
  type: str
  sample: /srv/abstractfinance/.env.4711.2026-01-05@09:15:00~
problems:
  description: Everything that is wrong. Nothing was written.
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
