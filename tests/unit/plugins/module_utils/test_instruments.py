# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import pathlib
import resource
import threading

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import instruments, yaml_lines
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.errors import GatewayError
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.instruments_data import ALTERNATIVES, EXCHANGES

ROOT = pathlib.Path(__file__).resolve().parents[4]
SCHEMA = ROOT / "roles" / "instruments" / "files" / "instruments.schema.json"
EXAMPLE = ROOT / "docs" / "examples" / "instruments.yaml"
PLAIN = "  - {symbol: ARCC, type: stock, exchange: NASDAQ, currency: USD}\n"
SECONDS_OF_CPU = 30


def checked(text, **rules):
    return instruments.check(text, "config/instruments.yaml", instruments.rules_from(**{"eu_retail": True, **rules}))


def found(text, **rules):
    return [(problem.line, problem.code) for problem in checked(text, **rules).problems]


def one(text, **rules):
    """The only problem of a file."""
    (problem,) = checked(text, **rules).problems
    return problem


def listed(*entries):
    return "instruments:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)


# The guide's table


@pytest.mark.parametrize(("etf", "alternative"), [("SPY", "CSPX"), ("QQQ", "CNDX"), ("LQD", "LQDE")])
def test_an_etf_of_the_guide_names_its_alternative_on_lse(etf, alternative):
    problem = one(listed(f"symbol: {etf}, type: etf, exchange: ARCA, currency: USD"))
    assert (problem.line, problem.code, problem.key) == (2, "instruments-no-kid", etf)
    assert f"{alternative} on LSE in USD" in problem.message
    assert f"`alternative: {alternative}`" in problem.message
    assert instruments.ucits_alternative(etf) == {"symbol": alternative, "exchange": "LSE", "currency": "USD"}
    followed = checked(listed(f"symbol: {etf}, type: etf, exchange: ARCA, currency: USD, alternative: {alternative}"))
    assert (followed.problems, followed.undecided, followed.alternatives) == ([], [], 1)


@pytest.mark.parametrize(("symbol", "exchange"), [("ARCC", "NASDAQ"), ("MAIN", "NYSE")])
def test_single_stocks_are_not_affected(symbol, exchange):
    report = checked(listed(f"symbol: {symbol}, type: stock, exchange: {exchange}, currency: USD"))
    assert (report.problems, report.undecided, report.count) == ([], [], 1)


@pytest.mark.parametrize(
    ("exchange", "kind", "primary"),
    [
        ("LSE", "etf", "LSEETF"),
        ("LSE", "stock", "LSE"),
        ("XETRA", "etf", "IBIS"),
        ("XETRA", "stock", "IBIS"),
        ("SBF", "etf", "SBF"),
        ("SBF", "stock", "SBF"),
        ("SBF", "STK", "SBF"),
        ("BVME", "etf", "BVME.ETF"),
        ("LSEETF", "STK", "LSEETF"),
    ],
)
def test_ibkr_names_the_exchange(exchange, kind, primary):
    assert instruments.primary_exchange(exchange, kind) == primary


@pytest.mark.parametrize(
    ("exchange", "kind", "code", "advice"),
    [
        ("LSEE", "etf", "instruments-exchange-unknown", "did you mean LSE"),
        ("lse", "etf", "instruments-exchange-unknown", "did you mean LSE?"),
        ("XPAR", "etf", "instruments-exchange-unknown", "did you mean SBF?"),
        ("ISLAND", "stock", "instruments-exchange-unknown", "did you mean NASDAQ?"),
        ("SMART", "etf", "instruments-exchange-unknown", "route, not the exchange of the listing"),
        ("MOON", "etf", "instruments-exchange-unknown", "instruments_exchanges"),
        ("", "etf", "instruments-exchange-unknown", "instruments_exchanges"),
        ("LSEETF", "stock", "instruments-exchange-unknown", "lists ETFs only"),
        ("PINK", "etf", "instruments-exchange-unknown", "lists stocks only"),
        ("LSE", "STK", "instruments-type-unstated", "LSE for a stock and LSEETF for an ETF"),
    ],
)
def test_an_exchange_that_is_not_known_is_an_error(exchange, kind, code, advice):
    with pytest.raises(GatewayError) as caught:
        instruments.primary_exchange(exchange, kind)
    assert caught.value.code == code
    assert advice in caught.value.message


# Bad files

SPY = "  - {symbol: SPY, type: etf, exchange: ARCA, currency: USD"
BAD = {
    "no-yaml": ("instruments:\n  - symbol: [SPY\n", 3, "instruments-malformed", "is no YAML"),
    "tab": ("instruments:\n\t- symbol: SPY\n", 2, "instruments-malformed", "is no YAML"),
    "control-character": (f"instruments:\n{PLAIN}\x07", 3, "instruments-malformed", "does not allow"),
    "empty": ("# nothing\n", 1, "instruments-schema", "`instruments`"),
    "list": ("- symbol: SPY\n", 1, "instruments-schema", "the file is a list"),
    "other-key": ("instrument:\n  - symbol: SPY\n", 1, "instruments-schema", "did you mean instruments?"),
    "empty-list": ("x-a: 1\ninstruments: []\n", 2, "instruments-schema", "`instruments` is empty"),
    "no-list": ("instruments: SPY\n", 1, "instruments-schema", "`instruments` is a string"),
    "not-a-mapping": (f"instruments:\n{PLAIN}  - SPY\n", 3, "instruments-schema", "an instrument is a string"),
    "missing-key": (
        f"instruments:\n{PLAIN}  - symbol: MAIN\n    currency: USD\n",
        3,
        "instruments-schema",
        "no exchange",
    ),
    "unknown-key": (
        "instruments:\n  - symbol: MAIN\n    type: stock\n    exchange: NYSE\n    curency: USD\n    currency: USD\n",
        5,
        "instruments-schema",
        "unknown key curency: did you mean currency?",
    ),
    "own-key-without-x": (
        "instruments:\n  - symbol: MAIN\n    type: stock\n    exchange: NYSE\n    currency: USD\n    weight: 3\n",
        6,
        "instruments-schema",
        "your own begin with x-",
    ),
    "key-twice": (
        "instruments:\n  - symbol: MAIN\n    type: stock\n    exchange: NYSE\n    currency: USD\n    symbol: ARCC\n",
        6,
        "instruments-duplicate",
        "symbol twice (first in line 2)",
    ),
    "instrument-twice": (
        f"instruments:\n{PLAIN}  - {{symbol: MAIN, type: stock, exchange: NYSE, currency: USD}}\n{PLAIN}",
        4,
        "instruments-duplicate",
        "ARCC on NASDAQ in USD stands here again (first in line 2)",
    ),
    "type": (
        "instruments:\n  - symbol: MAIN\n    type: stocks\n    exchange: NYSE\n    currency: USD\n",
        3,
        "instruments-schema",
        "type is stocks: did you mean stock?",
    ),
    "norway": (
        "instruments:\n  - symbol: ON\n    type: stock\n    exchange: NASDAQ\n    currency: USD\n",
        2,
        "instruments-schema",
        "read by YAML as true or false: put it in quotes: 'ON'",
    ),
    "number": (
        "instruments:\n  - symbol: 700\n    type: stock\n    exchange: SEHK\n    currency: HKD\n",
        2,
        "instruments-schema",
        "read by YAML as a number: put it in quotes: '700'",
    ),
    "lower-case": (
        "instruments:\n  - symbol: main\n    type: stock\n    exchange: NYSE\n    currency: USD\n",
        2,
        "instruments-schema",
        "write MAIN",
    ),
    "pence": (
        "instruments:\n  - symbol: VOD\n    type: stock\n    exchange: LSE\n    currency: GBX\n",
        5,
        "instruments-schema",
        "use GBP",
    ),
    "currency": (
        "instruments:\n  - symbol: MAIN\n    type: stock\n    exchange: NYSE\n    currency: EUR\n",
        5,
        "instruments-currency",
        "NYSE trades in USD only",
    ),
    "kid": (
        "instruments:\n  - symbol: SPY\n    type: etf\n    exchange: ARCA\n    currency: USD\n    kid: maybe\n",
        6,
        "instruments-schema",
        "kid is a string: it must be true or false",
    ),
    "exchange": (
        "instruments:\n  - symbol: AIR\n    type: stock\n    exchange: XPAR\n    currency: EUR\n",
        4,
        "instruments-exchange-unknown",
        "did you mean SBF?",
    ),
    "route": (
        "instruments:\n  - symbol: AIR\n    type: stock\n    exchange: SMART\n    currency: EUR\n",
        4,
        "instruments-exchange-unknown",
        "SMART is IBKR's route",
    ),
    "primary-exchange": (
        "instruments:\n  - symbol: CSPX\n    type: etf\n    exchange: LSE\n    currency: USD\n    primary_exchange: LSE\n",
        6,
        "instruments-exchange-unknown",
        "IBKR has LSEETF for it",
    ),
    "type-unstated": (
        "instruments:\n  - symbol: VOD\n    type: STK\n    exchange: LSE\n    currency: GBP\n",
        4,
        "instruments-type-unstated",
        "`type: stock` or `type: etf`",
    ),
    "us-etf": (f"instruments:\n{PLAIN}{SPY}}}\n", 3, "instruments-no-kid", "alternative: CSPX"),
    "us-etf-by-the-table": (
        "instruments:\n  - {symbol: SPY, exchange: ARCA, currency: USD}\n",
        2,
        "instruments-no-kid",
        "SPY is a US-listed ETF",
    ),
    "us-etf-called-a-stock": (
        "instruments:\n  - {symbol: SPY, type: stock, exchange: ARCA, currency: USD}\n",
        2,
        "instruments-no-kid",
        "SPY is called a stock",
    ),
    "us-etf-not-in-the-table": (
        "instruments:\n  - {symbol: VTI, type: etf, exchange: ARCA, currency: USD}\n",
        2,
        "instruments-no-kid",
        "no UCITS alternative of VTI is known here",
    ),
    "us-etf-says-no-kid": (f"instruments:\n{SPY}, kid: false}}\n", 2, "instruments-no-kid", "alternative: CSPX"),
    "other-etf-says-no-kid": (
        "instruments:\n  - {symbol: XIU, type: etf, exchange: TSE, currency: CAD, kid: false}\n",
        2,
        "instruments-no-kid",
        "XIU has no KID",
    ),
    "unknown-alternative": (
        "instruments:\n  - symbol: SPY\n    type: etf\n    exchange: ARCA\n    currency: USD\n    alternative: CSPY\n",
        6,
        "instruments-alternative-unknown",
        "write `alternative: CSPX`",
    ),
    "alternative-of-a-stock": (
        "instruments:\n  - symbol: MAIN\n    type: stock\n    exchange: NYSE\n    currency: USD\n    alternative: CSPX\n",
        6,
        "instruments-schema",
        "only a US-listed ETF has",
    ),
    "anchor": (f"x-a: &a 1\ninstruments:\n{PLAIN}", 1, "instruments-unsafe", "anchor &a"),
    "tag": (f"x-a:\n  - !!python/object/apply:os.system [id]\ninstruments:\n{PLAIN}", 2, "instruments-unsafe", "tag"),
    "second-document": (f"instruments:\n{PLAIN}---\nx-a: 1\n", 3, "instruments-unsafe", "second document"),
    "deep": ("x-a: " + "[" * 500_000, 1, "instruments-unsafe", "deeper than 8 levels"),
    "deep-mappings": ("".join(" " * level + "x-a:\n" for level in range(900)), 9, "instruments-unsafe", "deeper"),
    "many-values": ("x-a: [" + "0," * 300_000 + "]\n", 1, "instruments-too-large", "100000 values"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_told_with_its_line(case):
    text, line, code, words = BAD[case]
    problem = one(text)
    assert (problem.line, problem.code) == (line, code)
    assert words in problem.message
    assert problem.message.startswith(f"line {line}: ")
    assert str(problem).endswith(f" [{code}]")


def test_a_bomb_is_refused_at_every_line_of_it():
    lines = ["x-a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"x-{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in zip("abcdefgh", "bcdefghi")]
    report = checked("\n".join(lines) + f"\ninstruments:\n{PLAIN}")
    assert {problem.line for problem in report.problems} == set(range(1, 10))
    assert {problem.code for problem in report.problems} == {"instruments-unsafe"}
    assert report.content == ""


def test_a_merge_key_is_refused():
    text = (
        f"x-a: &a {{currency: USD}}\ninstruments:\n{PLAIN}  - {{<<: *a, symbol: MAIN, type: stock, exchange: NYSE}}\n"
    )
    assert {line for line, code in found(text) if code == "instruments-unsafe"} == {1, 4}


def test_everything_is_told_at_once_in_the_order_of_the_lines():
    text = listed(
        "symbol: SPY, type: etf, exchange: ARCA, currency: USD",
        "symbol: MAIN, type: stok, exchange: NYSE, currency: USD",
        "symbol: AIR, type: stock, exchange: XPAR, currency: EUR",
        "symbol: ARCC, type: stock, exchange: NASDAQ, currency: GBP",
        "symbol: MAIN",
    )
    report = checked(text)
    assert [(problem.line, problem.code) for problem in report.problems] == [
        (2, "instruments-no-kid"),
        (3, "instruments-schema"),
        (4, "instruments-exchange-unknown"),
        (5, "instruments-currency"),
        (6, "instruments-schema"),
        (6, "instruments-schema"),
    ]
    told = report.told()
    assert told.startswith("6 problems with config/instruments.yaml:\n- line 2: ")
    assert told.endswith("[instruments-schema]")


def test_a_thousand_problems_are_counted_and_a_hundred_told():
    told = checked(listed(*["symbol: spy, exchange: ARCA, currency: USD"] * 1000)).told()
    assert told.startswith("1000 problems")
    assert told.endswith("and 900 more [instruments-schema]")
    assert len(told.splitlines()) == 102


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize(
    "text",
    [
        "instruments:\n" + "  - {symbol: A, exchange: ARCA, currency: USD}\n" * 20_000,
        "instruments:\n  - {" + ", ".join(f"k{number}: 1" for number in range(45_000)) + "}\n",
        "instruments:\n  - {symbol: " + "A" * 1_000_000 + "}\n",
        "instruments:\n  - {" + "a" * 1_000_000 + ": 1}\n",
        "instruments: " + "{? " * 300_000,
        'instruments: "' + "\\u0041" * 150_000 + '"\n',
        "x-a: " + "9" * 1_000_000 + f"\ninstruments:\n{PLAIN}",
        "x-a: " + "1:" * 400_000 + f"\ninstruments:\n{PLAIN}",
    ],
    ids=["entries", "keys", "symbol", "key", "complex-keys", "escapes", "number", "sexagesimal"],
)
def test_no_file_takes_long(text):
    """Bounded work: what the limit on the processor kills is a hang, not a slow machine."""
    assert len(text) <= instruments.MAX_BYTES
    before = cpu()
    report = checked(text)
    assert cpu() - before < SECONDS_OF_CPU
    assert all(len(problem.message) < 400 for problem in report.problems)


# What is said, not guessed


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            "symbol: ARCC, exchange: NASDAQ, currency: USD",
            "whether ARCC is a stock or an ETF is not stated: state `type`",
        ),
        ("symbol: ARCC, type: STK, exchange: NASDAQ, currency: USD", "whether ARCC is a stock or an ETF"),
        ("symbol: EXS1, type: etf, exchange: XETRA, currency: EUR", "whether EXS1 on XETRA has a KID is not stated"),
    ],
)
def test_what_the_file_does_not_state_is_undecided(entry, words):
    report = checked(listed(entry))
    assert report.problems == []
    (undecided,) = report.undecided
    assert (undecided.line, undecided.code) == (2, "instruments-undecided")
    assert words in undecided.message


@pytest.mark.parametrize(
    "entry",
    [
        "symbol: EXS1, type: etf, exchange: XETRA, currency: EUR, kid: true",
        "symbol: VTI, type: etf, exchange: ARCA, currency: USD, kid: true",
        "symbol: CSPX, exchange: LSEETF, currency: USD",
        "symbol: VOO, exchange: ARCA, currency: USD, alternative: CSPX",
        "symbol: SXR8, type: etf, exchange: XETRA, currency: EUR, primary_exchange: IBIS2, kid: true",
        "symbol: 'ON', type: stock, exchange: NASDAQ, currency: USD",
        "symbol: BRK B, type: stock, exchange: NYSE, currency: USD, x-mine: {a: [1, 2]}",
    ],
)
def test_what_the_file_states_is_taken(entry):
    report = checked(listed(entry))
    assert (report.problems, report.undecided) == ([], [])


def test_an_account_outside_the_eu_may_buy_them():
    text = listed("symbol: SPY, type: etf, exchange: ARCA, currency: USD")
    report = checked(text, eu_retail=False)
    assert (report.problems, report.undecided) == ([], [])
    assert report.against == [instruments.NAMES_CHECKED]
    assert checked(text).against == [instruments.NAMES_CHECKED, instruments.EU_CHECKED]


def test_an_alternative_may_stand_in_the_file_itself():
    vti = "symbol: VTI, type: etf, exchange: ARCA, currency: USD, alternative: VWRA"
    assert found(listed(vti)) == [(2, "instruments-alternative-unknown")]
    report = checked(listed(vti, "symbol: VWRA, type: etf, exchange: LSE, currency: USD, kid: true"))
    assert report.problems == []
    assert yaml.safe_load(report.content)["instruments"][0]["alternative"] == {
        "symbol": "VWRA",
        "exchange": "LSE",
        "currency": "USD",
        "primary_exchange": "LSEETF",
    }
    american = "symbol: VWRA, type: etf, exchange: ARCA, currency: USD, kid: true"
    assert found(listed(vti, american)) == [(2, "instruments-alternative-unknown")]


def test_the_tables_are_extended_by_the_inventory():
    alternatives = {"VTI": {"symbol": "VWRA", "exchange": "LSE", "currency": "USD"}}
    exchanges = {"XETRA": {"stock": "IBIS", "etf": "IBIS2"}, "MOON": {"stock": "LUNA"}}
    text = listed("symbol: VTI, type: etf, exchange: ARCA, currency: USD")
    assert "VWRA on LSE" in one(text, alternatives=alternatives).message
    report = checked(
        listed(
            "symbol: VTI, type: etf, exchange: ARCA, currency: USD, alternative: VWRA",
            "symbol: SXR8, type: etf, exchange: XETRA, currency: EUR, kid: true",
            "symbol: CHEESE, type: stock, exchange: MOON, currency: USD",
        ),
        alternatives=alternatives,
        exchanges=exchanges,
    )
    assert report.problems == []
    names = [entry["primary_exchange"] for entry in yaml.safe_load(report.content)["instruments"]]
    assert names == ["ARCA", "IBIS2", "LUNA"]
    assert set(ALTERNATIVES) == {"SPY", "QQQ", "LQD"}


@pytest.mark.parametrize(
    "rules",
    [
        {"exchanges": {"MOON": {}}},
        {"exchanges": {"MOON": {"stock": "A", "colour": "red"}}},
        {"exchanges": {"MOON": "LUNA"}},
        {"alternatives": {"VTI": "VWRA"}},
        {"alternatives": {"VTI": {"symbol": "VWRA"}}},
        {"alternatives": {"VTI": {"symbol": "VWRA", "exchange": "LON", "currency": "USD"}}},
    ],
)
def test_additions_are_held_to_the_tables_form(rules):
    with pytest.raises(GatewayError) as caught:
        checked(EXAMPLE.read_text(encoding="utf-8"), **rules)
    assert caught.value.code == "instruments-table-invalid"


# What is written


def test_the_file_is_written_with_ibkrs_names():
    report = checked(EXAMPLE.read_text(encoding="utf-8"))
    assert (report.problems, report.undecided) == ([], [])
    before = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["instruments"]
    after = yaml.safe_load(report.content)["instruments"]
    assert [entry["primary_exchange"] for entry in after] == [
        "LSEETF", "LSEETF", "LSEETF", "IBIS", "ARCA", "NASDAQ", "NYSE", "SBF",
    ]  # fmt: skip
    for source, written in zip(before, after):
        assert {key: value for key, value in written.items() if key not in ("primary_exchange", "alternative")} == {
            key: value for key, value in source.items() if key != "alternative"
        }
    assert after[4]["alternative"]["primary_exchange"] == "LSEETF"


def test_what_yaml_would_read_otherwise_stays_a_string():
    report = checked(
        listed("symbol: 'ON', type: stock, exchange: NASDAQ, currency: USD, x-since: 2026-01-01, x-o: '010'")
    )
    (entry,) = yaml.safe_load(report.content)["instruments"]
    assert (entry["symbol"], entry["x-o"]) == ("ON", "010")
    assert "x-since: 2026-01-01" in report.content


def test_nothing_is_written_from_a_faulty_file_and_all_of_one_that_breaks_rules():
    assert checked(listed("symbol: MAIN, type: stok, exchange: NYSE, currency: USD")).content == ""
    broken = checked(listed("symbol: SPY, type: etf, exchange: ARCA, currency: USD, alternative: CSPY"))
    assert broken.faults == []
    assert yaml.safe_load(broken.content)["instruments"][0]["alternative"] == "CSPY"


# The file itself


def test_ten_megabytes_are_refused_unread(tmp_path):
    path = tmp_path / "instruments.yaml"
    path.write_bytes(b"instruments:\n" + PLAIN.encode() * (10 * 1024 * 1024 // len(PLAIN)))
    with pytest.raises(GatewayError, match="larger than 1024 KiB") as caught:
        instruments.read_file(str(path), "config/instruments.yaml")
    assert caught.value.code == "instruments-too-large"


def test_what_is_no_plain_file_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    outcome = []

    def read():
        for name in ("pipe", "missing", "."):
            try:
                instruments.read_file(str(tmp_path / name), name)
            except GatewayError as error:
                outcome.append(error.code)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(30)
    assert outcome == ["instruments-file-missing"] * 3


def test_bytes_that_are_no_utf8_are_told_with_their_line(tmp_path):
    path = tmp_path / "instruments.yaml"
    path.write_bytes(b"instruments:\n  # caf\xe9\n")
    with pytest.raises(GatewayError, match="line 2 is no UTF-8"):
        instruments.read_file(str(path), "config/instruments.yaml")
    path.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.read_bytes())
    assert checked(instruments.read_file(str(path), "x")).problems == []


# The schema


def test_the_schema_is_what_the_check_reads():
    shipped = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert shipped == instruments.schema(), "run: python tests/tools/instruments_schema.py"
    jsonschema.Draft7Validator.check_schema(shipped)


def test_the_example_is_as_the_schema_says():
    jsonschema.validate(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")), instruments.schema())


VALUES = st.one_of(
    st.sampled_from(
        ["SPY", "CSPX", "ON", "spy", "etf", "stock", "STK", "USD", "GBX", "LSE", "ARCA", "SMART", "", " ", "é"]
    ),
    st.booleans(),
    st.integers(-1, 99),
    st.none(),
    st.just([]),
    st.just({}),
)
KEYS = st.sampled_from([*instruments.FIELDS, "x-mine", "curency", "Symbol"])
ENTRIES = st.one_of(
    VALUES,
    st.dictionaries(KEYS, VALUES, max_size=6),
    st.fixed_dictionaries(
        {
            "symbol": st.sampled_from(["SPY", "CSPX", "MAIN", "spy"]),
            "exchange": st.sampled_from(sorted(EXCHANGES)),
            "currency": st.sampled_from(["USD", "EUR", "usd"]),
        },
        optional={"type": st.sampled_from(["etf", "stock", "STK", "ETF"]), "kid": st.booleans(), "x-a": VALUES},
    ),
)
DOCUMENTS = st.one_of(
    VALUES, st.dictionaries(st.sampled_from(["instruments", "x-a", "y"]), st.lists(ENTRIES, max_size=3))
)
FORM = ("instruments-schema", "instruments-exchange-unknown")


@settings(max_examples=300)
@given(DOCUMENTS)
def test_check_and_schema_agree_on_the_form(document):
    """Whatever the schema refuses the check refuses too; what only the check can see has codes of its own."""
    validator = jsonschema.Draft7Validator(instruments.schema())
    report = checked(yaml.safe_dump(document, allow_unicode=True))
    if not validator.is_valid(document):
        assert report.faults
    elif any(problem.code == "instruments-schema" for problem in report.problems):
        assert all(
            "alternative" in problem.message for problem in report.problems if problem.code == "instruments-schema"
        )


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=200), st.text(alphabet="{}[]:-,&*!?|>'\"# \n\tax", max_size=200)))
def test_no_text_is_more_than_a_problem(text):
    report = checked(text)
    assert report.problems
    assert all(1 <= problem.line <= text.count("\n") + text.count("\r") + 9 for problem in report.problems)


@settings(max_examples=100)
@given(st.lists(ENTRIES, min_size=1, max_size=4))
def test_what_is_written_is_sound_again(entries):
    report = checked(yaml.safe_dump({"instruments": entries}))
    if report.content:
        again = yaml.safe_load(report.content)["instruments"]
        assert len(again) == len(entries)
        assert all(entry["primary_exchange"] in instruments._primaries(EXCHANGES[entry["exchange"]]) for entry in again)


def test_the_exchanges_are_whole():
    for name, known in EXCHANGES.items():
        assert set(known) <= {"place", "stock", "etf", "also", "us", "currencies"}
        assert known["place"]
        assert {"stock", "etf"} & set(known), name
    for symbol in ALTERNATIVES:
        assert not EXCHANGES[ALTERNATIVES[symbol]["exchange"]].get("us")
    assert yaml_lines.HAS_YAML
