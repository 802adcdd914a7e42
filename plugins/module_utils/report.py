# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a diagnosis: one HTML page a host, which asks nothing of any network, and words for the terminal."""

from __future__ import annotations

import html
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.gateway_log import parse_time
from ansible_collections.abstractfinance.ibgateway.plugins.module_utils.masks import told

STATES = {
    "proven": "Proven",
    "failed": "Login failed",
    "pending": "Login under way",
    "absent": "No gateway here",
    "unknown": "Could not be asked",
}
STAGES = {
    "started": "Container started",
    "installing": "Installing IB Gateway",
    "starting-gateway": "Starting IB Gateway",
    "login-form": "Login form",
    "logging-in": "Logging in",
    "second-factor": "Second factor",
    "existing-session": "Another session",
    "paper-warning": "Paper warning",
    "token-expired": "Token expired",
    "option-check": "Settings",
    "ended": "IB Gateway ended",
    "dialog": "A dialog stands",
    "api-listening": "Trading API opens",
    "proven": "Proven",
    "failed": "Login failed",
}
ROW = 46
STYLE = """
:root{color-scheme:light dark;--page:#f6f5f2;--card:#fff;--ink:#1c1f24;--soft:#5d6570;--line:#dfdcd5;--bad:#b3261e;
--badbg:#fdeceb;--warn:#8a5a00;--warnbg:#fdf3dc;--good:#1b6e3c;--goodbg:#e6f4ea;--mark:#fff0b8;--bar:#3d6fb4;--code:#f1efea}
@media(prefers-color-scheme:dark){:root{--page:#14171b;--card:#1c2127;--ink:#e7e9ec;--soft:#9aa4b0;--line:#303740;
--bad:#ff9a92;--badbg:#3a1f1e;--warn:#f2c46d;--warnbg:#372c15;--good:#84d5a2;--goodbg:#183024;--mark:#4a3f14;--bar:#7ea9e6;
--code:#12161a}}
*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem}
header{margin-bottom:1.5rem}h1{font-size:1.45rem;line-height:1.25;margin:.2rem 0;overflow-wrap:break-word}
h2{font-size:1.05rem;margin:2.2rem 0 .7rem}h3{font-size:1.1rem;margin:0;line-height:1.35}
p{margin:.4rem 0}.soft{color:var(--soft)}.small{font-size:.88rem}
.badge{display:inline-block;padding:.15rem .65rem;border-radius:1rem;font-weight:600;font-size:.88rem}
.bad{color:var(--bad);background:var(--badbg)}.warn{color:var(--warn);background:var(--warnbg)}
.good{color:var(--good);background:var(--goodbg)}
.card{background:var(--card);border:1px solid var(--line);border-radius:.7rem;padding:1rem 1.1rem;margin:.8rem 0}
.cause{border-left:.35rem solid var(--bad)}.cause.warning{border-left-color:var(--warn)}
.cause .head{display:flex;gap:.6rem;align-items:baseline;flex-wrap:wrap;justify-content:space-between}
code,pre,.log{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.82rem}
.code{color:var(--soft)}pre{margin:.5rem 0;padding:.6rem .75rem;background:var(--code);border-radius:.45rem;
white-space:pre-wrap;overflow-wrap:anywhere}
h4{margin:.9rem 0 .2rem;font-size:.8rem;letter-spacing:.03em;color:var(--soft);font-weight:600}
ol{margin:.2rem 0;padding-left:1.4rem}li{margin:.15rem 0}
.mends{margin-top:.7rem;padding:.5rem .75rem;border-radius:.45rem;background:var(--goodbg);color:var(--good)}
.sound{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:.2rem 1.2rem;padding:0;margin:0;list-style:none}
.sound li{padding:.35rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
.sound b{font-weight:600}.sound b::before{content:"\\2713";color:var(--good);margin-right:.45rem}
.log{background:var(--card);border:1px solid var(--line);border-radius:.7rem;padding:.5rem 0;margin:0;list-style:none}
.log li{display:flex;gap:.8rem;padding:.05rem .8rem;margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
.log .n{color:var(--soft);min-width:2.6rem;text-align:right;flex:none;user-select:none}
.log .telling{background:var(--mark)}.log .gap{color:var(--soft);justify-content:center}
.log time{color:var(--soft);flex:none}
dl{display:grid;grid-template-columns:minmax(8rem,13rem) 1fr;gap:.25rem 1rem;margin:0}dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
svg{display:block;width:100%}svg text{fill:var(--ink);font:14px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
svg .t{fill:var(--soft);font-size:12px}svg .bar{fill:var(--bar)}svg .track{fill:var(--code)}svg .end{fill:var(--bad)}
svg .fine{fill:var(--good)}img{max-width:100%;border-radius:.5rem;border:1px solid var(--line);display:block}
details{margin:.8rem 0}summary{cursor:pointer;font-weight:600}
@media(max-width:34rem){main{padding:1rem .75rem 3rem}dl{grid-template-columns:1fr}dt{margin-top:.4rem}
.log time{display:none}.log li{gap:.5rem;padding:.05rem .5rem}.log .n{min-width:2rem}}
"""


def escape(text: object) -> str:
    return html.escape(str(text), quote=True)


def page(host: str, found: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """The whole page of a host."""
    parts = [
        _header(host, found, run),
        _causes(found["causes"]),
        _screen(found.get("screen")),
        _section("The login, step by step", _timeline(found.get("timeline") or [])),
        _section("Looked at, and sound", _sound(found.get("sound") or [])),
        _section("Not looked at", _unseen(found.get("unseen") or [])),
        *_evidence(found.get("evidence") or {}),
        _footer(run),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">\n<meta name="robots" content="noindex">\n'
        f"<title>{escape(_headline(found))} · {escape(host)}</title>\n<style>{STYLE}</style></head>\n"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _headline(found: Mapping[str, Any]) -> str:
    number = len(found["causes"])
    if not number:
        return {"proven": "Nothing is wrong", "absent": "Nothing is wrong"}.get(found["state"], "No cause found")
    return "1 cause" if number == 1 else f"{number} causes"


def _header(host: str, found: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    severities = {item["severity"] for item in found["causes"]}
    tone = "bad" if "error" in severities else "warn" if severities or found["state"] == "pending" else "good"
    mode = {"paper": "paper trading", "live": "live trading"}.get(str(found.get("mode")), "")
    who = ", ".join(item for item in (found.get("login"), mode, found.get("account")) if item)
    return (
        f'<header><p class="soft small">IB Gateway, diagnosed {escape(run["at"])}</p><h1>{escape(host).replace(".", ".<wbr>")}</h1>'
        f'<p><span class="badge {tone}">{escape(_headline(found))}</span> '
        f'<span class="soft">{escape(STATES.get(found["state"], found["state"]))}{" · " if who else ""}{escape(who)}</span></p></header>'
    )


def _causes(causes: Sequence[Mapping[str, Any]]) -> str:
    return "".join(_cause(number, item, len(causes)) for number, item in enumerate(causes, 1))


def _cause(number: int, item: Mapping[str, Any], count: int) -> str:
    head = f"{number}. {item['title']}" if count > 1 else item["title"]
    guide = f" · guide {', '.join(item['guide'])}" if item["guide"] else ""
    lines = "\n".join(item["evidence"])
    remedy = "".join(f"<li>{escape(step)}</li>" for step in item["remedy"])
    mends = ""
    if item["product_remedy"]:
        mends = f'<p class="mends small">The product can mend this: <code>{escape(item["product_remedy"])}</code></p>'
    return (
        f'<section class="card cause {escape(item["severity"])}"><div class="head"><h3>{escape(head)}</h3>'
        f'<code class="code">{escape(item["code"])}{escape(guide)}</code></div><p>{escape(item["message"])}</p>'
        + (f"<h4>Shown by</h4><pre>{escape(lines)}</pre>" if lines else "")
        + f"<h4>Why</h4><p>{escape(item['meaning'])}</p><h4>What to do</h4><ol>{remedy}</ol>{mends}</section>"
    )


def _screen(screen: Optional[str]) -> str:
    if not screen:
        return ""
    return _section("The screen", f'<img alt="The gateway\'s screen" src="data:image/png;base64,{escape(screen)}">')


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>{content}" if content else ""


def _timeline(timeline: Sequence[Mapping[str, Any]]) -> str:
    """Each stage as a bar from its beginning to the next one's, all on one scale of time."""
    steps = [(str(item["stage"]), parse_time(item["at"] or "")) for item in timeline]
    known = [(stage, at) for stage, at in steps if at is not None]
    if len(known) < 2:
        return ""
    begin, end = known[0][1], max(at for _stage, at in known)
    whole = max(end - begin, 1.0)
    rows = []
    for number, (stage, at) in enumerate(known):
        until = known[number + 1][1] if number + 1 < len(known) else at
        left, width = 100 * (at - begin) / whole, max(100 * (until - at) / whole, 0.8)
        left = min(left, 100 - width)
        kind = {"proven": "fine", "failed": "end", "dialog": "end"}.get(stage, "bar")
        top = number * ROW
        rows.append(
            f'<text x="0" y="{top + 17}">{escape(STAGES.get(stage, stage))}</text>'
            f'<text class="t" x="100%" y="{top + 17}" text-anchor="end">{escape(_after(at - begin, until - at))}</text>'
            f'<rect class="track" x="0" y="{top + 25}" width="100%" height="8" rx="4"/>'
            f'<rect class="{kind}" x="{left:.2f}%" y="{top + 25}" width="{width:.2f}%" height="8" rx="4"/>'
        )
    label = "; ".join(f"{STAGES.get(stage, stage)} after {round(at - begin)} s" for stage, at in known)
    svg = f'<svg role="img" aria-label="{escape(label)}" height="{len(known) * ROW}">{"".join(rows)}</svg>'
    return f'<div class="card">{svg}</div>'


def _after(since: float, took: float) -> str:
    return f"at {_span(since)}, took {_span(took)}" if took else f"at {_span(since)}"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172800 else f"{seconds / 86400:.0f} days"


def _sound(sound: Sequence[Mapping[str, Any]]) -> str:
    items = "".join(
        f'<li><b>{escape(item["what"])}</b> <span class="soft">{escape(item["shown"])}</span></li>' for item in sound
    )
    return f'<ul class="sound">{items}</ul>' if items else ""


def _unseen(unseen: Sequence[Mapping[str, Any]]) -> str:
    return _pairs({item["what"]: item["why"] for item in unseen})


def _evidence(evidence: Mapping[str, Any]) -> List[str]:
    if not evidence:
        return []
    container = evidence.get("container") or {}
    api = [
        f"{item['outcome']} {' '.join(item['accounts'])} {'; '.join(item['notices'])}".strip()
        for item in evidence.get("api") or []
    ]
    states = {
        "Container": f"{container.get('name')}: {container.get('status')}",
        "Started": container.get("started_at"),
        "Exit code": container.get("exit_code"),
        "Restarts": container.get("restarts"),
        "Restart policy": container.get("restart_policy"),
        "Health": container.get("health"),
        "Listens inside": ", ".join(str(port) for port in evidence.get("listening") or []),
        "Trading API": "; ".join(api),
        "Trading engine": evidence.get("trading_engine"),
        "Parked for another session": ", ".join(evidence.get("parked") or []),
        "Published": "; ".join(evidence.get("published") or []),
    }
    dialogs = "".join(
        f'<div class="card"><h3>{escape(item["title"] or "(no title)")}</h3><p>{escape(item["text"])}</p>'
        f'<p class="soft small">{escape(", ".join(item["buttons"]))}</p></div>'
        for item in evidence.get("dialogs") or []
    )
    launcher = "\n".join(evidence.get("launcher_log") or [])
    return [
        _section("Dialogs on the screen, as JAuto tells them", dialogs),
        _section("The log", _log(evidence.get("log") or [])),
        _section("launcher.log, until the login succeeded", f"<pre>{escape(launcher)}</pre>" if launcher else ""),
        _section("State", _pairs(states)),
        _section("Settings in the container", _pairs(evidence.get("settings") or {})),
        _section("Markers on the settings volume", _pairs(evidence.get("volume") or {})),
        _section("Versions", _pairs(evidence.get("versions") or {})),
    ]


def _pairs(pairs: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs.items() if value not in (None, "")
    )
    return f'<div class="card"><dl>{rows}</dl></div>' if rows else ""


def _log(lines: Sequence[Mapping[str, Any]]) -> str:
    rows: List[str] = []
    before = 0
    for line in lines:
        left_out = line["number"] - before - 1
        if left_out > 0:
            rows.append(f'<li class="gap">{left_out} lines left out</li>')
        before = line["number"]
        at = f"<time>{escape(line['at'][11:19])}</time>" if line["at"] else ""
        rows.append(
            f'<li{" class=telling" if line["telling"] else ""}><span class="n">{line["number"]}</span>{at}'
            f"<span>{escape(line['text'])}</span></li>"
        )
    content = f'<ul class="log">{"".join(rows)}</ul>'
    if any(line["telling"] for line in lines):
        return content
    return f"<details><summary>{len(lines)} lines</summary>{content}</details>" if rows else ""


def _footer(run: Mapping[str, Any]) -> str:
    return (
        '<p class="soft small" style="margin-top:2.5rem">Usernames and accounts are tags here: the same tag is the same name, on '
        "every host and in every report of this controller. Secrets are left out. "
        f"Made by abstractfinance.ibgateway with ansible-core {escape(run['ansible'])}.</p>"
    )


# The terminal


def words(host: str, found: Mapping[str, Any], names: Mapping[str, str], path: Optional[str] = None) -> str:
    """What an operator reads on the terminal, with the names in full."""
    state = STATES.get(found["state"], found["state"])
    who = f" ({found['login']})" if found.get("login") else ""
    lines = [f"{host}{who}: {state}, {_headline(found)[0].lower()}{_headline(found)[1:]}"]
    for number, item in enumerate(found["causes"], 1):
        lines += ["", f"{number}. {item['title']} [{item['code']}]", f"   {item['message']}"]
        lines += [f"   > {line.strip()}" for line in item["evidence"][-3:]]
        lines += [
            f"   {step}. {text}" if len(item["remedy"]) > 1 else f"   {text}"
            for step, text in enumerate(item["remedy"], 1)
        ]
        if item["product_remedy"]:
            lines.append(f"   The product can mend this: {item['product_remedy']}.")
    sound = ", ".join(item["what"] for item in found.get("sound") or [])
    if sound:
        lines += ["", f"Sound: {sound}."]
    lines += [f"{item['what']}: {item['why']}." for item in found.get("unseen") or []]
    if path is not None:
        lines += ["", f"Report: {path}"]
    return told("\n".join(line.rstrip() for line in lines), names)


def closing(found: Sequence[Tuple[str, Mapping[str, Any]]]) -> str:
    """The last sentence of a diagnosis that found something, with the codes at its end."""
    parts = []
    codes: List[str] = []
    for host, item in found:
        own = [cause["code"] for cause in item["causes"]]
        if own:
            parts.append(f"{host}: {', '.join(cause['title'] for cause in item['causes'])}")
            codes += [code for code in own if code not in codes]
    return f"{'; '.join(parts)}. {' '.join(f'[{code}]' for code in codes)}" if parts else ""


def as_json(host: str, found: Mapping[str, Any], run: Mapping[str, Any]) -> Dict[str, Any]:
    """What is passed on: the same as the page, with tags for names."""
    kept = (
        "state",
        "stage",
        "login",
        "account",
        "mode",
        "causes",
        "sound",
        "unseen",
        "timeline",
        "sessions",
        "evidence",
    )
    return {"host": host, **dict(run), **{name: found[name] for name in kept if name in found}}
