# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets from 1Password by its SDK, with the SDK's errors turned into sentences. For the controller only.

Never to be used in the process of ansible-playbook or a fork of it: a process that used the SDK and then forks leaves
a child that hangs. `secret_agent` runs this in a process of its own.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import socket
import ssl
import sys
import time
from typing import Any, Awaitable, Callable, Mapping, Sequence, TypeVar
from urllib.parse import urlsplit

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes, references
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

INTEGRATION = ("abstractfinance.ibgateway", "0.1.0")
HOSTS = (".1password.com", ".1password.ca", ".1password.eu")
TOKEN_VARIABLE = "OP_SERVICE_ACCOUNT_TOKEN"  # noqa: S105
PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")

CALL_LIMIT = 45.0
"""The SDK gives up by itself after 30 s; this is for what it does not notice."""
HANG = 20.0
"""A call that fails as unreachable after this many seconds was not refused, it was not answered."""
RETRY_DELAYS = (1.0, 2.0, 4.0)
RETRY_BUDGET = 25.0
"""No new attempt starts when this many seconds went by."""
PROBE_LIMIT = 5.0

T = TypeVar("T")


PASSING = ("secrets-rate-limited", "secrets-unreachable", "secrets-service-failed")
"""What may be over a minute later: not remembered, so that a task with `until` gets through."""


class TransientError(GatewayError):
    """Worth another attempt at once: a rate limit or the network."""


def check_token(token: str) -> str:
    """The address that the token signs in at. The token decides where traffic goes, so it is held to 1Password's."""
    if not token:
        raise causes.error("secrets-token-missing")
    address = sign_in_address(token)
    parts = urlsplit(address if "//" in address else f"https://{address}")
    host = (parts.hostname or "").lower()
    if parts.scheme != "https" or parts.username is not None or not host.endswith(HOSTS):
        raise causes.error("secrets-token-foreign-host")
    return address


def sign_in_address(token: str) -> str:
    malformed = causes.error("secrets-token-malformed")
    if not token.startswith("ops_"):
        raise malformed
    encoded = token[len("ops_") :].rstrip("=")
    try:
        content = json.loads(base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True))
        address = content["signInAddress"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise malformed from None
    if not isinstance(address, str) or not address:
        raise malformed
    return address


class Session:
    """One sign-in with one token; each reference is asked for once, whatever the answer.

    What passes is not remembered. But those that waited while it was tried share its failure, and do not try again one
    after the other.
    """

    def __init__(self, token: str, address: str, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._token = token
        self._address = address
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._client: Any | None = None
        self._refused: GatewayError | None = None
        self._failures: list[GatewayError] = []
        self._answers: dict[str, str | GatewayError] = {}

    async def resolve(self, wanted: Sequence[str]) -> dict[str, str | GatewayError]:
        failures = len(self._failures)
        async with self._lock:
            unseen = [text for text in dict.fromkeys(wanted) if text not in self._answers]
            if unseen:
                if len(self._failures) > failures:
                    raise self._failures[-1]
                try:
                    self._answers.update(await self._ask(unseen))
                except GatewayError as error:
                    if error.code in PASSING:
                        self._failures.append(error)
                    else:
                        self._answers.update(dict.fromkeys(unseen, error))
                    raise
            return {text: self._answers[text] for text in wanted}

    async def _ask(self, unseen: list[str]) -> Mapping[str, str | GatewayError]:
        client = await self._signed_in()
        response = await self._retried(lambda: client.secrets.resolve_all(unseen))
        return {text: answer_of(text, response.individual_responses.get(text)) for text in unseen}

    async def _signed_in(self) -> Any:
        if self._refused is not None:
            raise self._refused
        if self._client is None:
            try:
                self._client = await self._retried(self._sign_in)
            except GatewayError as error:
                self._refused = None if error.code in PASSING else error
                raise
        return self._client

    async def _sign_in(self) -> Any:
        try:
            from onepassword.client import Client
        except ImportError:
            raise GatewayError(
                f"the controller's Python ({sys.executable}) has no onepassword-sdk: install it with"
                f" '{sys.executable} -m pip install onepassword-sdk'",
                "secrets-sdk-missing",
            ) from None
        return await Client.authenticate(self._token, *INTEGRATION)

    async def _retried(self, call: Callable[[], Awaitable[T]]) -> T:
        deadline = time.monotonic() + RETRY_BUDGET
        delays = list(RETRY_DELAYS)
        while True:
            try:
                return await self._attempt(call)
            except TransientError as error:
                if not delays or time.monotonic() > deadline:
                    raise GatewayError(error.message, error.code) from None
            await self._sleep(delays.pop(0))

    async def _attempt(self, call: Callable[[], Awaitable[T]]) -> T:
        started = time.monotonic()
        try:
            return await asyncio.wait_for(call(), CALL_LIMIT)
        except GatewayError:
            raise
        except Exception as error:  # noqa: BLE001  (the SDK raises bare ones)
            waited = time.monotonic() - started
            failure = sentence(error, waited)
            if failure.code != "secrets-unreachable":
                raise failure from None
        raise await asyncio.to_thread(why_unreachable, self._address, waited)


def sentence(error: Exception, waited: float) -> GatewayError:
    """What an error of the SDK means. Its text is only looked at, never passed on: it may hold a secret."""
    kind = type(error).__name__
    text = str(error).lower() if kind in ("Exception", "Error", "RateLimitExceededException") else ""
    if kind == "RateLimitExceededException" or "rate limit" in text:
        return _transient("secrets-rate-limited")
    if isinstance(error, (asyncio.TimeoutError, ConnectionError)) or "request library" in text:
        return _transient("secrets-unreachable")
    if "not authenticated" in text or "resource not found" in text:
        return causes.error("secrets-token-rejected")
    if "right permissions" in text:
        return causes.error("secrets-token-forbidden")
    if "service account token" in text or "deserialization" in text:
        return causes.error("secrets-token-malformed")
    if "internal server error" in text or "unexpected status code" in text:
        return causes.error("secrets-service-failed")
    if isinstance(error, (ImportError, OSError)):
        return causes.error("secrets-sdk-unusable")
    if kind == "ValidationError":
        return causes.error("secrets-answer-unreadable")
    return causes.error("secrets-failed", detail=f"{kind}, {waited:.0f} s")


def _transient(code: str) -> TransientError:
    return TransientError(causes.message(code), code)


def why_unreachable(address: str, waited: float) -> GatewayError:
    """The SDK reads the same for DNS, TLS, proxy and time-out: look which it is."""
    parts = urlsplit(address if "//" in address else f"https://{address}")
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if waited >= HANG:
        return TransientError(
            f"1Password gave no answer for {waited:.0f} s ({host}): look at the network, the proxy and the firewall"
            " between this controller and it",
            "secrets-unreachable",
        )
    proxy = next((name for name in PROXY_VARIABLES if os.environ.get(name)), None)
    if proxy is not None:
        return TransientError(
            f"1Password cannot be reached ({host}) by the proxy that {proxy} names: look at the proxy, and whether"
            " its certificate is known to this controller (SSL_CERT_FILE)",
            "secrets-unreachable",
        )
    try:
        with socket.create_connection((host, port), PROBE_LIMIT) as connection:
            if parts.scheme == "https":
                ssl.create_default_context().wrap_socket(connection, server_hostname=host).close()
    except ssl.SSLCertVerificationError:
        return GatewayError(
            f"the certificate that {host} shows is not trusted: look for a proxy that opens TLS and name its CA in"
            " SSL_CERT_FILE, and do not go on if there is none",
            "secrets-certificate-untrusted",
        )
    except socket.gaierror:
        why = f"the name {host} cannot be resolved: look at the controller's DNS"
    except ConnectionRefusedError:
        why = f"{host} refuses the connection on port {port}: look at the firewall"
    except OSError:
        why = f"no connection to {host} on port {port}: look at the network, proxy and firewall"
    else:
        why = f"{host} answers, but not the SDK: look at the proxy and TLS settings, and try again"
    return TransientError(f"1Password cannot be reached: {why}", "secrets-unreachable")


def answer_of(text: str, response: Any) -> str | GatewayError:
    """The secret, or what 1Password says against the reference."""
    if response is not None and response.content is not None:
        return str(response.content.secret)
    kind = getattr(getattr(response, "error", None), "type", None)
    return refusal(text, str(getattr(kind, "value", kind)))


def refusal(text: str, kind: str) -> GatewayError:
    reference = references.parse(text)
    vault, item = f"vault `{reference.vault}`", f"item `{reference.item}`"
    field = f"field `{reference.field}`"
    one_of = "rename one of them, or use the ID instead of the name"
    refusals = {
        "parsing": (f"1Password cannot read the reference: write {references.FORM}", "secret-reference-malformed"),
        "vaultNotFound": (
            f"the token sees no {vault}: check the name, and use the token of a service account that can read it",
            "secrets-no-vault-access",
        ),
        "tooManyVaults": (f"there is more than one {vault}: {one_of}", "secret-ambiguous"),
        "itemNotFound": (f"there is no {item} in {vault}: check the name", "secret-not-found"),
        "tooManyItems": (f"there is more than one {item} in {vault}: {one_of}", "secret-ambiguous"),
        "fieldNotFound": (f"{item} in {vault} has no {field}: check the name", "secret-not-found"),
        "tooManyMatchingFields": (
            f"{item} in {vault} has more than one {field}: name the section too, or rename one of them",
            "secret-ambiguous",
        ),
        "noMatchingSections": (
            f"{item} in {vault} has no section `{reference.section}`: check the name",
            "secret-not-found",
        ),
        "incompatibleTOTPQueryParameterField": (
            f"{field} of {item} is no one-time password: leave out what follows the '?'",
            "secret-reference-malformed",
        ),
        "unableToGenerateTotpCode": (
            f"1Password cannot make a code from {field} of {item}: store the key again",
            "secret-unusable",
        ),
        "unsupportedFileFormat": (f"{field} of {item} is a file that is no text: store text", "secret-unusable"),
    }
    for ssh in (
        "sSHKeyMetadataNotFound",
        "incompatibleSshKeyQueryParameterField",
        "unableToParsePrivateKey",
        "unableToFormatPrivateKeyToOpenSsh",
    ):
        refusals[ssh] = (f"{field} of {item} is no SSH key: leave out what follows the '?'", "secret-unusable")
    message, code = refusals.get(
        kind,
        (f"1Password gave no value and no reason for {field} of {item} in {vault}: look at it", "secret-not-found"),
    )
    return GatewayError(f"{message} ({text})", code)
