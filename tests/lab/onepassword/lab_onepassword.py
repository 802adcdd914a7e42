# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""1Password for the lab: the real SDK with only its native core replaced.

`LAB_ONEPASSWORD` names the store: `{vault: {item: {field: value}}}`; a field of a section is `section/field`.
Three more keys make it behave as the service can:

* `__access__`: `{email: [vault, ...]}`, the vaults that the token of that service account sees (all without it);
* `__faults__`: `{"sign_in"|"resolve": {"message": ..., "name": ..., "times": N}}`, errors of a call, the first N times;
* `__errors__`: `{reference: type}`, the answer for one reference, such as `tooManyItems`.

`LAB_ONEPASSWORD_COUNTS` names a file that gets one JSON line a call: its name and how many references it asked for.

Run as a program it prints a token of the right form: `lab_onepassword.py [email]`.
"""

from __future__ import annotations

import base64
import importlib.abc
import importlib.machinery
import itertools
import json
import os
import sys
from types import ModuleType
from typing import Any, Sequence

CORES = ("onepassword.lib.x86_64.op_uniffi_core", "onepassword.lib.aarch64.op_uniffi_core")


def make_token(email: str = "lab@abstractfinance.example", sign_in_address: str = "lab.1password.com") -> str:
    """A token that has the form of a service account's and opens nothing."""
    content = {
        "signInAddress": sign_in_address,
        "userAuth": {
            "method": "SRPg-4096",
            "alg": "PBES2g-HS256",
            "iterations": 650000,
            "salt": "bGFiLWxhYi1sYWItbGFi",
        },
        "email": email,
        "srpX": "ab" * 32,
        "muk": {
            "alg": "A256GCM",
            "kty": "oct",
            "kid": "mp",
            "k": "bGFiLWxhYi1sYWItbGFiLWxhYi1sYWItbGFiLWxhYi0",
            "ext": True,
            "key_ops": ["encrypt", "decrypt"],
        },
        "secretKey": "A3-LABLAB-LABLAB-LABLA-LABLA-LABLA-LABLA",
        "throttleSecret": {"seed": "cd" * 32, "uuid": "L" * 26},
        "deviceUuid": "l" * 26,
    }
    return "ops_" + base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


class Core:
    """The three calls of the native core that reach the service."""

    def __init__(self, native: ModuleType) -> None:
        self._native = native
        self._ids = itertools.count(1)
        self._emails: dict[int, str] = {}
        self._failed: dict[str, int] = {}

    async def init_client(self, client_config: str) -> str:
        self._count("sign_in")
        self._fail("sign_in")
        token = json.loads(client_config)["serviceAccountToken"]
        encoded = token[len("ops_") :]
        content = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        client = next(self._ids)
        self._emails[client] = content.get("email", "")
        return str(client)

    async def invoke(self, invocation: str) -> str:
        request = json.loads(invocation)["invocation"]
        name, parameters = request["parameters"]["name"], request["parameters"]["parameters"]
        if name != "SecretsResolveAll":
            raise self._error("Other", f"the lab's 1Password does not answer {name}")
        references = parameters["secret_references"]
        self._count("resolve_all", len(references))
        if request["clientId"] not in self._emails:
            raise self._error("Other", "invalid client id")
        self._fail("resolve")
        store = self._store()
        seen = store.get("__access__", {}).get(self._emails[request["clientId"]])
        return json.dumps(
            {"individualResponses": {reference: self._look_up(store, seen, reference) for reference in references}}
        )

    def release_client(self, client_id: str) -> None:
        self._emails.pop(int(client_id), None)

    def _look_up(self, store: dict[str, Any], seen: list[str] | None, reference: str) -> dict[str, Any]:
        try:
            parameters = {"name": "ValidateSecretReference", "parameters": {"secret_reference": reference}}
            self._native.invoke_sync(json.dumps({"invocation": {"parameters": parameters}}))
        except self._native.Error as error:
            return {"content": None, "error": {"type": "parsing", "message": str(error)}}
        if reference in store.get("__errors__", {}):
            return {"content": None, "error": {"type": store["__errors__"][reference]}}
        vault, item, field = reference[len("op://") :].partition("?")[0].split("/", 2)
        if vault not in store or vault.startswith("__") or (seen is not None and vault not in seen):
            return {"content": None, "error": {"type": "vaultNotFound"}}
        if item not in store[vault]:
            return {"content": None, "error": {"type": "itemNotFound"}}
        fields = store[vault][item]
        if field not in fields:
            section = field.rpartition("/")[0]
            known = not section or any(name.startswith(f"{section}/") for name in fields)
            return {"content": None, "error": {"type": "fieldNotFound" if known else "noMatchingSections"}}
        return {"content": {"secret": fields[field], "itemId": "i" * 26, "vaultId": "v" * 26}, "error": None}

    def _store(self) -> dict[str, Any]:
        with open(os.environ["LAB_ONEPASSWORD"], encoding="utf-8") as file:
            store: dict[str, Any] = json.load(file)
        return store

    def _fail(self, call: str) -> None:
        fault = self._store().get("__faults__", {}).get(call)
        if fault is None:
            return
        times = self._failed.get(call, 0)
        if times < fault.get("times", times + 1):
            self._failed[call] = times + 1
            raise self._error(fault.get("name", "Other"), fault["message"])

    def _error(self, name: str, message: str) -> Exception:
        error: Exception = self._native.Error.Error(msg=json.dumps({"name": name, "message": message}))
        return error

    def _count(self, call: str, references: int = 0) -> None:
        counts = os.environ.get("LAB_ONEPASSWORD_COUNTS")
        if counts:
            with open(counts, "a", encoding="utf-8") as file:
                file.write(json.dumps({"call": call, "references": references, "pid": os.getpid()}) + "\n")


class CoreFinder(importlib.abc.MetaPathFinder):
    """Replaces the three calls when the SDK imports its core, and so loads nothing where it is not used."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in CORES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_replace(module: ModuleType) -> None:
                load(module)
                core = Core(module)
                for call in ("init_client", "invoke", "release_client"):
                    setattr(module, call, getattr(core, call))

            spec.loader.exec_module = load_and_replace  # type: ignore[method-assign]
        return spec


def switch_on() -> None:
    sys.meta_path.insert(0, CoreFinder())


if __name__ == "__main__":
    print(make_token(*sys.argv[1:]))
