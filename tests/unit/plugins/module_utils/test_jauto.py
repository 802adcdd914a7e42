# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import subprocess
import threading
from typing import List

import pytest

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils import jauto
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.jauto import Dialog
from ansible_collections.abstractfinance.ibgateway.tests.unit.plugins.module_utils.transcripts import dialogs

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

HEAD = "javax.swing.JDialog,some.Class,window:0,x:1,y:2,w:3,h:4,act:1,title:"
PLACE = ",,x:1,y:2,w:3,h:4,mx:5,my:6"


def test_dialog_is_read_whole() -> None:
    (dialog,) = dialogs("05b")
    assert dialog == Dialog(
        "Unrecognized Username or Password",
        "Unrecognized Username or Password. Passwords are case sensitive, check Caps Lock.",
        ("OK",),
    )
    (dialog,) = dialogs("06")
    assert dialog.title == "Gateway"
    assert "associated with it. Please log on using one of the Paper Trading users" in dialog.text
    assert "<" not in dialog.text


def test_dialog_that_asks_for_a_code_is_told() -> None:
    (dialog,) = dialogs("22")
    assert dialog.asks_for_input
    assert dialog.text == "Enter Mobile Authenticator app code"


@pytest.mark.parametrize(
    ("case", "codes"),
    [
        ("04b", {"wrong-credentials"}),
        ("05b", {"wrong-credentials"}),
        ("06", {"live-login-in-paper-mode"}),
        ("12b", {"paper-warning-not-accepted"}),
        ("15b", {"locked-out"}),
        ("22", {"second-factor-waiting"}),
        ("30", {"competing-session", "second-factor-waiting", "paper-warning-not-accepted"}),
    ],
)
def test_recorded_dialogs_are_known(case: str, codes: set[str]) -> None:
    readings = [jauto.read_dialog(dialog) for dialog in dialogs(case)]
    assert {reading.code for reading in readings if reading is not None} == codes


def test_lock_out_tells_the_time_left() -> None:
    reading = jauto.read_dialog(dialogs("15b")[0])
    assert reading is not None
    assert reading.facts == {"wait": "4 minutes & 55 seconds"}


@pytest.mark.parametrize(
    ("title", "text", "code"),
    [
        ("Login failed", "Required PassKey is not supported, please upgrade", "passkey-required"),
        ("Login Messages", "A task waits", "portal-task-waiting"),
        ("Gateway", "The security tokens associated with your login have expired.", "token-expired"),
        ("Gateway", "This version is no longer supported.", "gateway-outdated"),
        ("Gateway", "API support is not available for accounts that support free trading", "api-not-for-account"),
        ("Login failed", "Something new", "login-failed"),
        ("Tip of the day", "Use a mouse", None),
    ],
)
def test_dialogs_of_the_field_are_told_apart(title: str, text: str, code: str | None) -> None:
    reading = jauto.read_dialog(Dialog(title, text))
    assert (reading.code if reading is not None else None) == code


SECRET = "Tr0ub4dor"


@hypothesis.given(
    st.lists(
        st.sampled_from(
            [
                f"{HEAD}Login",
                f"javax.swing.JPasswordField{PLACE},editable:y,text:{SECRET}",
                f"javax.swing.JTextField{PLACE},editable:y,text:{SECRET}",
                f"javax.swing.JFormattedTextField{PLACE},editable:y,text:{SECRET}",
                f"javax.swing.JComboBox{PLACE},index:1,text:{SECRET}",
                f"com.example.PasswordField{PLACE},text:{SECRET}",
                f"{SECRET} of a field that was broken over two lines",
                f"javax.swing.JLabel{PLACE},text:Password",
                f"javax.swing.JButton{PLACE},selected:n,text:OK",
                "none",
                "",
            ]
        ),
        max_size=30,
    )
)
def test_what_a_person_can_type_never_leaves(lines: List[str]) -> None:
    found = jauto.parse_dialogs("\n".join(lines))
    assert SECRET not in repr(found)
    assert len(found) <= jauto.MOST_DIALOGS
    assert len(found) == min(jauto.MOST_DIALOGS, lines.count(f"{HEAD}Login"))


@hypothesis.given(st.text(max_size=2000))
def test_no_answer_breaks_the_reader(answer: str) -> None:
    for dialog in jauto.parse_dialogs(answer):
        jauto.read_dialog(dialog)
    jauto.read_launcher_lines(jauto.parse_launcher(answer))


def test_endless_answer_is_cut() -> None:
    answer = f"{HEAD}{'x' * 10_000}\n" + f"javax.swing.JLabel{PLACE},text:{'y' * 100_000}\n" * 10
    (dialog,) = jauto.parse_dialogs(answer)
    assert len(str(dialog)) <= 2 * jauto.LONGEST_TEXT + 10


def test_launcher_log_of_an_earlier_start_is_passed_over() -> None:
    output = (
        "2026-11-22 16:20:00\n"
        "cut line\n"
        "2026-11-22 16:19:59.999 [CCP] INFO  - AUTH_RESULT indicates wrong password\n"
        "\tof that line\n"
        "2026-11-22 16:20:00.001 [CCP] INFO  - AuthTimeoutMonitor-CCP: Timeout!\n"
        "\tof this line\n"
    )
    lines = jauto.parse_launcher(output)
    assert [line.strip()[:10] for line in lines] == ["2026-11-22", "of this li"]
    reading = jauto.read_launcher_lines(lines)
    assert reading is not None
    assert reading.code == "login-dropped"


def test_evidence_of_launcher_log_quotes_what_is_known_and_nothing_beside_it() -> None:
    reading = jauto.read_launcher_lines(
        ["t [CCP] 192.0.2.17 hash 5f3a AUTH_RESULT indicates wrong password for afpaper01"]
    )
    assert reading is not None
    assert reading.evidence == "launcher.log: AUTH_RESULT indicates wrong password"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """The commands for the container, run here: their files in a directory of the test."""
    monkeypatch.setattr(jauto, "ASK_FOR_DIALOGS", _moved(jauto.ASK_FOR_DIALOGS, tmp_path))
    return tmp_path


def _moved(command: tuple[str, ...], to: pathlib.Path) -> tuple[str, ...]:
    return tuple(part.replace("/tmp/", f"{to}/") for part in command)


def _ask() -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(jauto.ASK_FOR_DIALOGS), capture_output=True, text=True, timeout=30, check=False)


def test_asking_leaves_nothing_behind(scripts: pathlib.Path) -> None:
    fifo = scripts / "ibg-jauto.in"
    os.mkfifo(fifo)
    (scripts / "ibg-asked.1").write_text("of an ask that was given up")

    def answer() -> None:
        output, _bar, command = fifo.read_text().rstrip("\n").partition("|")
        assert command == "list_ui_components?window_type=dialog"
        pathlib.Path(output).write_text(f"{HEAD}Gateway\n")

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    done = _ask()
    thread.join(timeout=10)
    assert (done.returncode, jauto.parse_dialogs(done.stdout)) == (0, [Dialog("Gateway")])
    assert list(scripts.iterdir()) == [fifo]


def test_agent_that_does_not_read_holds_nobody_up(scripts: pathlib.Path) -> None:
    os.mkfifo(scripts / "ibg-jauto.in")
    done = _ask()
    assert done.returncode != 0
    assert done.stdout == ""


def test_no_file_is_made_where_there_is_no_agent(scripts: pathlib.Path) -> None:
    assert _ask().returncode != 0
    assert list(scripts.iterdir()) == []


def test_launcher_log_is_read_in_the_gateways_time_zone(tmp_path: pathlib.Path) -> None:
    (tmp_path / "launcher.log").write_text("2026-11-22 16:17:41.000 [JTS-Main] INFO  - Build\n")
    environment = {**os.environ, "IB_TIMEZONE": "Europe/Berlin", "IBG_SETTINGS_DIR": str(tmp_path)}
    done = subprocess.run(
        list(jauto.read_launcher(1795360660.9)), capture_output=True, text=True, timeout=30, check=True, env=environment
    )
    assert done.stdout.splitlines()[0] == "2026-11-22 16:17:40"
    assert len(jauto.parse_launcher(done.stdout)) == 1
