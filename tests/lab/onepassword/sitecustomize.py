# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Switch the lab's 1Password on in a Python that has this directory on its PYTHONPATH.

Python imports one `sitecustomize` only: the one that this file hides is run as well.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def run_hidden_sitecustomize() -> None:
    elsewhere = [entry for entry in sys.path if os.path.abspath(entry or os.getcwd()) != HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


run_hidden_sitecustomize()

if os.environ.get("LAB_ONEPASSWORD"):
    import lab_onepassword

    lab_onepassword.switch_on()
