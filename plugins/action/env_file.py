# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any, Dict, Iterator

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import (
    dotenv,
    env_options,
    onepassword,
    references,
    secret_agent,
)
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.env_plan import Plan, literals
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.problems import Problem, from_error, report
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.rules import rules_from


class SecretArguments(Dict[str, Any]):
    """Module arguments that ANSIBLE_DEBUG cannot print."""

    def __repr__(self) -> str:
        return "{arguments with secrets}"

    __str__ = __repr__


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(
            argument_spec=env_options.OPTIONS,
            mutually_exclusive=[env_options.TEMPLATES],
            required_one_of=[[*env_options.TEMPLATES, "values"]],
        )
        try:
            content, public = self._content(options)
            result.update(self._write(options, content, task_vars))
            if not result.get("failed"):
                result["public"] = public
        except ProblemsError as error:
            result.update(
                failed=True,
                changed=False,
                msg=report(error.problems, options["path"]),
                code=error.problems[0].code,
                problems=[problem.as_result() for problem in error.problems],
            )
        return result

    def _content(self, options: dict[str, Any]) -> tuple[str, dict[str, str]]:
        try:
            plan = Plan(literals(options["values"]), rules_from(options["rules"], options["public_keys"]))
        except GatewayError as error:
            raise ProblemsError([from_error(error)]) from None
        content = self._carried_out(plan, options)
        if plan.problems:
            raise ProblemsError(plan.problems)
        return content, plan.public(options["public_keys"], content)

    def _carried_out(self, plan: Plan, options: dict[str, Any]) -> str:
        note = str(options["template_ref"] or "")
        try:
            if note:
                references.parse(note)
            elif options["template_src"]:
                plan.add_template(self._template_file(options["template_src"]), f"template {options['template_src']}")
            elif options["template"] is not None:
                plan.add_template(str(options["template"]), "template")
        except GatewayError as error:
            plan.fail_template(error)
            note = ""
        wanted = [*plan.wanted(), *([note] if note else [])]
        try:
            answers = self._resolved(wanted, options)
            plan.answer(answers)
            template = answers[note] if note else None
            if isinstance(template, str):
                plan.add_template(template, f"note {note}")
                plan.answer(self._resolved(plan.wanted(), options))
            elif template is not None:
                plan.fail_template(GatewayError(f"the template: {template.message}", template.code))
        except GatewayError as error:
            plan.fail_template(error)
        return plan.finish()

    def _resolved(self, wanted: list[str], options: dict[str, Any]) -> secret_agent.Answers:
        if not wanted:
            return {}
        token = str(options["token"] or os.environ.get(onepassword.TOKEN_VARIABLE, ""))
        return secret_agent.resolve(token, wanted, secret_agent.run_process())

    def _template_file(self, name: str) -> str:
        try:
            text = self._loader.get_text_file_contents(self._find_needle("templates", name))
        except AnsibleError:
            raise GatewayError(
                f"the template {name} cannot be read on the controller: put it into the directory templates beside the"
                " playbook or into the role's",
                "env-template-missing",
            ) from None
        return dotenv.decode(str(text).encode("utf-8", "surrogateescape"))

    def _write(self, options: dict[str, Any], content: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        arguments = SecretArguments({name: options[name] for name in env_options.ON_TARGET}, template=content)
        with self._through_the_pipe():
            written: dict[str, Any] = self._execute_module(
                module_name="abstractfinance.ibgateway.env_file", module_args=arguments, task_vars=task_vars
            )
        return written

    @contextmanager
    def _through_the_pipe(self) -> Iterator[None]:
        """The module's arguments reach the target by standard input only, never in a file there.

        So pipelining is switched on for this task, and ANSIBLE_KEEP_REMOTE_FILES off.
        """
        kept = constants.DEFAULT_KEEP_REMOTE_FILES
        constants.DEFAULT_KEEP_REMOTE_FILES = False
        try:
            if not self._is_pipelining_enabled("new"):
                self._pipeline()
            yield
        finally:
            constants.DEFAULT_KEEP_REMOTE_FILES = kept

    def _pipeline(self) -> None:
        try:
            self._connection.set_option("pipelining", True)
        except (KeyError, AnsibleError):
            self._play_context.pipelining = True
        if self._is_pipelining_enabled("new"):
            return
        how = self._connection.transport
        if self._connection.become is not None:
            how = f"{how} with become_method {self._connection.become.name}"
        message = (
            f"the connection ({how}) cannot pass secrets to the target without a file there: use ssh without a forced"
            " terminal (-tt, RequestTTY), and sudo to become root"
        )
        raise ProblemsError([Problem("secrets-need-pipelining", message)])


class ProblemsError(Exception):
    def __init__(self, problems: list[Problem]) -> None:
        super().__init__()
        self.problems = problems
