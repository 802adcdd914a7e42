# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a `.env`, collected so that one run reports all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError


@dataclass(frozen=True)
class Problem:
    code: str
    message: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"

    def as_result(self) -> dict[str, str]:
        return {"code": self.code, "key": self.key, "message": self.message}


def from_error(error: GatewayError, key: str = "") -> Problem:
    return Problem(code=error.code, message=error.message, key=key)


def report(problems: Sequence[Problem], subject: str) -> str:
    if len(problems) == 1:
        return str(problems[0])
    return "\n- ".join([f"{len(problems)} problems with {subject}:", *map(str, problems)])
