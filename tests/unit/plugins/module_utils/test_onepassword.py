# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import causes, onepassword, secret_agent
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

LAB = Path(__file__).parents[3] / "lab" / "onepassword"
MODULE_UTILS = Path(onepassword.__file__).parent
REFERENCE = "op://Vault/item/field"

needs_sdk = pytest.mark.skipif(find_spec("onepassword") is None, reason="onepassword-sdk is not installed")


def token(address="lab.1password.com", **more):
    """Of the right form for the real core, and made up."""
    content = {
        "signInAddress": address,
        "userAuth": {
            "method": "SRPg-4096",
            "alg": "PBES2g-HS256",
            "iterations": 1000,
            "salt": "c2FsdHNhbHRzYWx0c2FsdA",
        },
        "email": "made-up@abstractfinance.example",
        "srpX": "a" * 64,
        "muk": {
            "alg": "A256GCM",
            "kty": "oct",
            "kid": "mp",
            "k": "bWFkZS11cC1tYWRlLXVwLW1hZGUtdXAtbWFkZS11cC0",
            "ext": True,
            "key_ops": ["encrypt", "decrypt"],
        },
        "secretKey": "A3-ABCDEF-ABCDEF-ABCDE-ABCDE-ABCDE-ABCDE",
        "throttleSecret": {"seed": "a" * 64, "uuid": "A" * 26},
        "deviceUuid": "a" * 26,
        **more,
    }
    return "ops_" + base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "address", ["lab.1password.com", "https://my.1password.eu", "https://my.1password.ca:443", "LAB.1PASSWORD.COM"]
)
def test_accepts_a_token_of_1password(address):
    assert onepassword.check_token(token(address)) == address


@pytest.mark.parametrize(
    "address",
    [
        "evil1password.com",
        "lab.1password.com.example",
        "http://lab.1password.com",
        "https://user@lab.1password.com",
        "https://example.com/.1password.com",
        "https://example.com#.1password.com",
        "https://example.com\\.1password.com@127.0.0.1",
        "127.0.0.1",
        "1password.com",
    ],
)
def test_refuses_a_token_that_signs_in_elsewhere(address):
    with pytest.raises(GatewayError) as error:
        onepassword.check_token(token(address))
    assert error.value.code == "secrets-token-foreign-host"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "secrets-token-missing"),
        ("eyJhbGciOi", "secrets-token-malformed"),
        ("ops_", "secrets-token-malformed"),
        ("ops_!!!!", "secrets-token-malformed"),
        ("ops_e30", "secrets-token-malformed"),
        ("ops_W10", "secrets-token-malformed"),
        (token(7), "secrets-token-malformed"),
        (token(""), "secrets-token-malformed"),
        (token()[:-30], "secrets-token-malformed"),
    ],
)
def test_refuses_a_token_that_is_none(text, code):
    with pytest.raises(GatewayError) as error:
        onepassword.check_token(text)
    assert error.value.code == code
    assert len(text) < 5 or text not in error.value.message


class RateLimitExceededException(Exception):  # noqa: N818  (the SDK's name)
    pass


class ValidationError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Exception("authentication error: rate limit exceeded"), "secrets-rate-limited"),
        (RateLimitExceededException("x"), "secrets-rate-limited"),
        (Exception("authentication error: you are not authenticated"), "secrets-token-rejected"),
        (Exception("authentication error: resource not found"), "secrets-token-rejected"),
        (
            Exception("authentication error: you don't have the right permissions to access this resource"),
            "secrets-token-forbidden",
        ),
        (Exception("authentication error: internal server error"), "secrets-service-failed"),
        (
            Exception("authentication error: unexpected status code in response: 503 Service Unavailable"),
            "secrets-service-failed",
        ),
        (Exception("authentication error: request library compatibility issue, check that"), "secrets-unreachable"),
        (TimeoutError(), "secrets-failed" if sys.version_info < (3, 11) else "secrets-unreachable"),
        (Exception("invalid service account token, please make sure"), "secrets-token-malformed"),
        (ImportError("libop_uniffi_core.so"), "secrets-sdk-unusable"),
        (OSError("GLIBC_2.34 not found"), "secrets-sdk-unusable"),
        (ValidationError("input_value={'secret': 'hunter2'}"), "secrets-answer-unreadable"),
        (Exception("hunter2"), "secrets-failed"),
    ],
)
def test_turns_the_sdks_errors_into_sentences(error, code):
    sentence = onepassword.sentence(error, 0.1)
    assert sentence.code == code
    assert "hunter2" not in str(sentence)
    assert sentence.message == causes.message(code, detail=f"{type(error).__name__}, 0 s")
    retried = isinstance(sentence, onepassword.TransientError)
    assert retried == (code in ("secrets-rate-limited", "secrets-unreachable"))


@pytest.mark.parametrize(
    ("kind", "code", "named"),
    [
        ("parsing", "secret-reference-malformed", "op://vault/item/field"),
        ("vaultNotFound", "secrets-no-vault-access", "vault `V`"),
        ("tooManyVaults", "secret-ambiguous", "vault `V`"),
        ("itemNotFound", "secret-not-found", "item `i`"),
        ("tooManyItems", "secret-ambiguous", "item `i`"),
        ("fieldNotFound", "secret-not-found", "field `f`"),
        ("tooManyMatchingFields", "secret-ambiguous", "field `f`"),
        ("noMatchingSections", "secret-not-found", "section `s`"),
        ("incompatibleTOTPQueryParameterField", "secret-reference-malformed", "field `f`"),
        ("unableToGenerateTotpCode", "secret-unusable", "field `f`"),
        ("unsupportedFileFormat", "secret-unusable", "field `f`"),
        ("sSHKeyMetadataNotFound", "secret-unusable", "field `f`"),
        ("incompatibleSshKeyQueryParameterField", "secret-unusable", "field `f`"),
        ("unableToParsePrivateKey", "secret-unusable", "field `f`"),
        ("unableToFormatPrivateKeyToOpenSsh", "secret-unusable", "field `f`"),
        ("other", "secret-not-found", "field `f`"),
        ("None", "secret-not-found", "field `f`"),
    ],
)
def test_names_what_1password_does_not_find(kind, code, named):
    error = onepassword.refusal("op://V/i/s/f", kind)
    assert error.code == code
    assert named in error.message
    assert "op://V/i/s/f" in error.message


# Runs a Session in a process of its own, as the agent does: the SDK must never be used in one that forks.
SESSION = secret_agent.BOOTSTRAP.rpartition("from ")[0] + (
    """
import asyncio, json
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import onepassword
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError

slept = []
async def sleep(seconds):
    slept.append(seconds)
    await asyncio.sleep(0)

async def resolve(session, wanted):
    try:
        answers = await session.resolve(wanted)
        return {text: answer if isinstance(answer, str) else answer.code for text, answer in answers.items()}
    except GatewayError as error:
        return [error.code, str(error)]

async def run(token, address, rounds, together):
    session = onepassword.Session(token, address, sleep)
    if together:
        return await asyncio.gather(*(resolve(session, wanted) for wanted in rounds))
    return [await resolve(session, wanted) for wanted in rounds]

outcomes = asyncio.run(run(**json.load(sys.stdin)))
print(json.dumps({"outcomes": outcomes, "slept": slept}))
"""
)


def session(text, address, rounds=((REFERENCE,),), together=False, **environment):
    finished = subprocess.run(
        [sys.executable, "-c", SESSION, str(MODULE_UTILS)],
        input=json.dumps({"token": text, "address": address, "rounds": rounds, "together": together}),
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
        env={"PATH": os.environ["PATH"], **environment},
    )
    assert finished.stderr == ""
    return json.loads(finished.stdout)


@contextlib.contextmanager
def loopback(status, wrap=None):
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            requests.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if wrap is not None:
        server.socket = wrap.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"{'https' if wrap else 'http'}://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@needs_sdk
@pytest.mark.parametrize(
    ("status", "code", "attempts"),
    [
        (401, "secrets-token-rejected", 1),
        (403, "secrets-token-forbidden", 1),
        (404, "secrets-token-rejected", 1),
        (429, "secrets-rate-limited", 4),
        (500, "secrets-service-failed", 1),
        (503, "secrets-service-failed", 1),
    ],
)
def test_the_real_core_meets_a_refusing_server(status, code, attempts):
    with loopback(status) as (address, requests):
        result = session(token(address), address)
    assert [outcome[0] for outcome in result["outcomes"]] == [code]
    assert len(requests) == attempts
    assert result["slept"] == list(onepassword.RETRY_DELAYS[: attempts - 1])


@needs_sdk
def test_the_real_core_meets_nobody():
    with loopback(200) as (address, _requests):
        pass
    result = session(token(address), address)
    code, message = result["outcomes"][0]
    assert code == "secrets-unreachable"
    assert "refuses the connection" in message
    assert result["slept"] == list(onepassword.RETRY_DELAYS)


@needs_sdk
def test_the_real_core_meets_a_name_that_does_not_exist():
    code, message = session(token("nobody.invalid"), "nobody.invalid")["outcomes"][0]
    assert code == "secrets-unreachable"
    assert "cannot be resolved" in message


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory):
    """A server's TLS with a certificate that nobody signed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    place = tmp_path_factory.mktemp("tls")
    key, certificate = place / "key.pem", place / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@contextlib.contextmanager
def silence():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", []


MET = {
    "401": (
        "secrets-token-rejected",
        "rejected the token",
        "make a new token and export it as OP_SERVICE_ACCOUNT_TOKEN",
    ),
    "403": ("secrets-token-forbidden", "does not let it in", "look at the service account's permissions"),
    "429": ("secrets-rate-limited", "rate limit", "wait an hour"),
    "500": ("secrets-service-failed", "an error of its own", "look at status.1password.com"),
    "silence": ("secrets-unreachable", "gave no answer for", "look at the network, the proxy and the firewall"),
    "certificate": ("secrets-certificate-untrusted", "is not trusted", "name its CA in SSL_CERT_FILE"),
}
WORDS_OF_THE_LIBRARY = ("request library", "authentication error", "op_uniffi", "Exception", "{", "Traceback", "http")


def meetings_with_trouble(unsigned):
    """What a user is told by the real core's meeting with each of the six, all at once: the silence takes 30 s."""
    servers = {
        **{status: loopback(int(status)) for status in ("401", "403", "429", "500")},
        "silence": silence(),
        "certificate": loopback(200, unsigned),
    }

    def meet(what):
        with servers[what] as (address, requests):
            made_up = token(address)
            result = session(made_up, address)
        return made_up, result["outcomes"][0], result["slept"], requests

    with ThreadPoolExecutor(len(servers)) as meetings:
        return dict(zip(servers, meetings.map(meet, servers)))


@needs_sdk
def test_the_real_core_meets_trouble_and_says_which(unsigned):
    """One test for all six: ansible-test runs each test in a process of its own, and each would wait for the silence."""
    met = meetings_with_trouble(unsigned)
    assert set(met) == set(MET)
    for what, (made_up, (code, message), slept, requests) in met.items():
        expected, problem, remedy = MET[what]
        assert code == expected, what
        assert problem in message
        assert remedy in message
        assert message.endswith(f"[{code}]")
        assert [word for word in WORDS_OF_THE_LIBRARY if word in message] == []
        content = json.loads(base64.urlsafe_b64decode(made_up[4:] + "=="))
        secrets = [
            made_up,
            content["secretKey"],
            content["srpX"],
            content["muk"]["k"],
            content["throttleSecret"]["seed"],
        ]
        assert [secret for secret in secrets if secret in message] == []
        assert slept == (list(onepassword.RETRY_DELAYS) if what == "429" else []), what
        assert what != "certificate" or requests == []
    assert len({outcome[1] for _token, outcome, _slept, _requests in met.values()}) == len(MET)


def test_a_proxy_is_named_and_its_password_is_not(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@proxy.example:3128")
    error = onepassword.why_unreachable("lab.1password.com", 0.1)
    assert "HTTPS_PROXY" in error.message
    assert "hunter2" not in error.message


@pytest.fixture
def lab(tmp_path):
    store = {
        "Vault": {"item": {"field": "hunter2", "empty": "", "section/field": "deep"}},
        "Other": {"item": {"f": "x"}},
    }

    def ask(rounds, email="lab@abstractfinance.example", together=False, **more):
        (tmp_path / "store.json").write_text(json.dumps({**store, **more}), encoding="utf-8")
        counts = tmp_path / "counts"
        counts.unlink(missing_ok=True)
        result = session(
            token(email=email),
            "lab.1password.com",
            rounds,
            together,
            PYTHONPATH=str(LAB),
            LAB_ONEPASSWORD=str(tmp_path / "store.json"),
            LAB_ONEPASSWORD_COUNTS=str(counts),
        )
        calls = [json.loads(line)["call"] for line in counts.read_text(encoding="utf-8").splitlines()]
        return result["outcomes"], calls, result["slept"]

    return ask


@needs_sdk
def test_one_sign_in_and_one_bulk_resolve_whatever_is_asked_again(lab):
    wanted = [REFERENCE, "op://Vault/item/section/field", "op://Vault/item/none", REFERENCE]
    outcomes, calls, _slept = lab([wanted, wanted, wanted[::-1]])
    assert outcomes[0] == {
        REFERENCE: "hunter2",
        "op://Vault/item/section/field": "deep",
        "op://Vault/item/none": "secret-not-found",
    }
    assert outcomes[1] == outcomes[2] == outcomes[0]
    assert calls == ["sign_in", "resolve_all"]


@needs_sdk
def test_asks_only_for_what_is_new(lab):
    outcomes, calls, _slept = lab([[REFERENCE], [REFERENCE, "op://Vault/item/empty"]])
    assert outcomes[1] == {REFERENCE: "hunter2", "op://Vault/item/empty": ""}
    assert calls == ["sign_in", "resolve_all", "resolve_all"]


@needs_sdk
def test_a_token_without_access_to_a_vault(lab):
    outcomes, _calls, _slept = lab(
        [[REFERENCE, "op://Other/item/f"]], email="staging@x.example", __access__={"staging@x.example": ["Vault"]}
    )
    assert outcomes == [{REFERENCE: "hunter2", "op://Other/item/f": "secrets-no-vault-access"}]


@needs_sdk
def test_what_is_ambiguous(lab):
    outcomes, _calls, _slept = lab([[REFERENCE]], __errors__={REFERENCE: "tooManyItems"})
    assert outcomes == [{REFERENCE: "secret-ambiguous"}]


@needs_sdk
def test_tries_again_after_a_rate_limit(lab):
    fault = {"name": "RateLimitExceeded", "message": "rate limit exceeded", "times": 2}
    outcomes, calls, slept = lab([[REFERENCE]], __faults__={"resolve": fault})
    assert outcomes == [{REFERENCE: "hunter2"}]
    assert calls == ["sign_in", *["resolve_all"] * 3]
    assert slept == [1.0, 2.0]


@needs_sdk
@pytest.mark.parametrize(
    ("call", "message", "code", "attempts"),
    [
        ("sign_in", "authentication error: rate limit exceeded", "secrets-rate-limited", 4),
        ("resolve", "rate limit exceeded", "secrets-rate-limited", 4),
        ("sign_in", "authentication error: internal server error", "secrets-service-failed", 1),
    ],
)
def test_does_not_try_for_ever_and_a_later_task_gets_through(lab, call, message, code, attempts):
    fault = {"message": message, "times": attempts}
    outcomes, calls, slept = lab([[REFERENCE], [REFERENCE]], __faults__={call: fault})
    assert outcomes[0][0] == code
    assert outcomes[1] == {REFERENCE: "hunter2"}
    counted = {"sign_in": "sign_in", "resolve": "resolve_all"}[call]
    assert calls.count(counted) == attempts + 1
    assert slept == list(onepassword.RETRY_DELAYS[: attempts - 1])


@needs_sdk
def test_hosts_that_wait_for_the_same_answer_share_its_failure(lab):
    fault = {"name": "RateLimitExceeded", "message": "rate limit exceeded", "times": 4}
    outcomes, calls, _slept = lab([[REFERENCE]] * 20, __faults__={"resolve": fault}, together=True)
    assert [outcome[0] for outcome in outcomes] == ["secrets-rate-limited"] * 20
    assert calls == ["sign_in", *["resolve_all"] * 4]


@needs_sdk
def test_remembers_what_will_not_change(lab):
    fault = {"message": "authentication error: you are not authenticated", "times": 1}
    outcomes, calls, _slept = lab([[REFERENCE], ["op://Vault/item/empty"]], __faults__={"sign_in": fault})
    assert [outcome[0] for outcome in outcomes] == ["secrets-token-rejected"] * 2
    assert calls == ["sign_in"]


@needs_sdk
def test_does_not_try_again_what_will_not_change(lab):
    _outcomes, calls, slept = lab(
        [[REFERENCE]], __faults__={"sign_in": {"message": "authentication error: you are not authenticated"}}
    )
    assert calls == ["sign_in"]
    assert slept == []


@needs_sdk
def test_the_stand_in_asks_as_the_real_core_does():
    """The real core tells a request of the right shape from a wrong one, even without a client."""
    program = """
import asyncio, json
from onepassword.core import UniffiCore
async def ask(name, parameters):
    try:
        await UniffiCore().invoke({"invocation": {"clientId": 77, "parameters": {"name": name, "parameters": parameters}}})
    except Exception as error:
        return str(error)
async def run():
    return [await ask("SecretsResolveAll", {"secret_references": ["op://a/b/c"]}), await ask("SecretsResolveAll", {"x": 1})]
print(json.dumps(asyncio.run(run())))
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    right, wrong = json.loads(finished.stdout)
    assert "invalid client id" in right
    assert "did not match any variant" in wrong


def test_the_stand_in_runs_the_sitecustomize_that_it_hides(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("print('hidden')\n", encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-c", "import time"],
        env={"PYTHONPATH": f"{LAB}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert finished.stdout == "hidden\n"


def test_the_stand_in_does_no_harm_without_the_sdk(tmp_path):
    finished = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(LAB)!r}); import sitecustomize; print('ok')",
        ],
        env={"LAB_ONEPASSWORD": str(tmp_path / "none.json")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert finished.stdout == "ok\n"


def test_no_probe_after_a_call_that_hung(monkeypatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("probed"))
    error = onepassword.why_unreachable("192.0.2.1", onepassword.HANG)
    assert isinstance(error, onepassword.TransientError)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "the controller's DNS"),
        (ConnectionRefusedError(), "refuses the connection on port 443: look at the firewall"),
        (TimeoutError(), "no connection to my.1password.example on port 443"),
        (ssl.SSLCertVerificationError("self-signed"), "is not trusted"),
    ],
)
def test_why_1password_is_out_of_reach(monkeypatch: pytest.MonkeyPatch, error: OSError, words: str) -> None:
    def fail(*_where: object) -> None:
        raise error

    for name in onepassword.PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(onepassword.socket, "create_connection", fail)
    found = onepassword.why_unreachable("https://my.1password.example", 1.0)
    assert words in str(found)
    assert isinstance(found, onepassword.TransientError) is not isinstance(error, ssl.SSLError)
