"""`open-agent doctor`: everything that a run needs, looked at."""

import shlex
from dataclasses import asdict
from typing import Any

import anyio
import pydantic_core

from open_agent.cli import checks
from open_agent.cli.checks import Finding
from open_agent.cli.connection import connect
from open_agent.cli.exits import Exit
from open_agent.cli.model_checks import check_model
from open_agent.cli.opencode_checks import check_opencode
from open_agent.cli.options import Place
from open_agent.cli.rendering.facts import size
from open_agent.cli.rendering.neutral import neutral, neutral_json
from open_agent.cli.rendering.pieces import Piece, Style
from open_agent.cli.session import Session, open_session
from open_agent.cli.terminal import Terminal
from open_agent.cli.watching import progress
from open_agent.core.clock import SystemClock
from open_agent.core.errors import Invalid, OpenAgentError

_STYLES: dict[checks.Level, Style] = {"OK": "good", "warn": "warn", "FAIL": "bad"}


def examine(place: Place, *, is_json: bool) -> Exit:
    """Check everything and say what was found; `FAILED` when something must be mended."""
    try:
        session = open_session(place)
    except Invalid as error:
        findings = [Finding("settings", "FAIL", error.message, "Mend what is named above.")]
        terminal = Terminal(SystemClock())
    else:
        findings = anyio.run(_examine, session)
        terminal = session.terminal
    if is_json:
        text = pydantic_core.to_json([asdict(found) for found in findings], indent=2).decode()
        terminal.print(neutral_json(text))
    else:
        terminal.show([piece for found in findings for piece in shown(found)])
    return Exit.FAILED if any(found.level == "FAIL" for found in findings) else Exit.SUCCEEDED


def shown(found: Finding) -> list[Piece]:
    """A finding in a line, and another one for what to do about it."""
    lines = neutral(found.text).split("\n")
    margin = " " * 17
    pieces = [
        Piece(f"{found.level:<5} ", _STYLES[found.level], margin),
        Piece(f"{found.name:<10} ", "strong"),
        Piece(f"\n{margin}".join(lines) + "\n"),
    ]
    if found.mend:
        pieces.append(Piece(f"{margin}→ {neutral(found.mend)}\n", "warn", f"{margin}  "))
    return pieces


async def _examine(session: Session) -> list[Finding]:
    settings = session.settings
    activity = "looking"
    async with progress(session.terminal, session.clock, lambda: activity):
        findings = [
            checks.check_settings(settings),
            checks.check_folder("data", "DATA_DIR", settings.data_dir),
            checks.check_folder("work", "WORKING_DIR", settings.working_dir),
            checks.check_privacy(settings.data_dir),
        ]
        activity = "asking the server"
        is_running, found = await _ask_server(session)
        findings += found
        if not is_running:
            activity = "opening the database"
            findings.append(await checks.check_database(settings, session.clock))
        findings += await checks.check_programs(settings)
        findings.append(await checks.check_browser(settings))
        activity = f"asking {settings.openrouter_base_url}"
        findings += await check_model(settings)
        activity = "looking at OpenCode"
        findings = _without_repetition([*findings, *await check_opencode(settings)])
        findings += [checks.check_budget(settings), checks.check_room(settings)]
    return findings


def _without_repetition(findings: list[Finding]) -> list[Finding]:
    """Of two things that are wrong with OpenCode, what was seen from here; not what the server says."""
    wrong = [found for found in findings if found.name == "opencode" and found.level == "FAIL"]
    return [found for found in findings if found not in wrong[:-1]]


async def _ask_server(session: Session) -> tuple[bool, list[Finding]]:
    """Whether a server runs, or should, and what it says of itself."""
    announced = session.finder.announcement()
    is_expected = announced is not None or session.finder.is_named
    async with connect(session.finder.address) as connection:
        url = connection.url
        try:
            if await connection.is_answering():
                status = (await connection.get("/api/status")).value
                findings = read_status(url, status)
                if not is_expected:
                    # One that works on this DATA_DIR would have written down where it is.
                    findings.append(_elsewhere(session, str(status["data_dir"])))
                return True, findings
        except OpenAgentError as error:
            if error.code != "server.foreign" or is_expected:
                return True, [Finding("server", "FAIL", error.code, error.message)]
            return False, [Finding("server", "warn", "the usual address is taken", error.message)]
    if not is_expected:
        return False, [Finding("server", "OK", "none runs; `open-agent serve` starts one")]
    who = f"process {announced.pid}" if announced else "the server"
    return True, [
        Finding(
            "server",
            "FAIL",
            f"{who} should answer at {url}, and does not",
            "It may be starting or stopping; if it stays so, end it and start it again.",
        )
    ]


def _elsewhere(session: Session, data_dir: str) -> Finding:
    return Finding(
        "server",
        "warn",
        f"it works on {data_dir}; what is said here of folders, key and model is about "
        f"{session.settings.data_dir}",
        f"`open-agent doctor --data-dir {shlex.quote(data_dir)}` looks at that server.",
    )


def read_status(url: str, status: dict[str, Any]) -> list[Finding]:
    """What the server's own account of itself comes to."""
    engine, database = status["engine"], status["database"]
    text = (
        f"{status['versions']['server']} at {url} is {status['phase']}; "
        f"model {status['model']['default_model']}; {engine['running']} at work, {engine['queued']} queued"
    )
    level: checks.Level = "OK" if status["phase"] == "ready" else "warn"
    findings = [Finding("server", level, text)]
    if database["ok"]:
        findings.append(Finding("database", "OK", f"{database['kind']}, open in the server"))
    else:
        problem = str(database["problem"])
        findings.append(Finding("database", "FAIL", problem, "Look at the server's log."))
    return [*findings, _read_disk(status["disk"]), *read_opencode(status.get("opencode"))]


def _read_disk(disk: dict[str, Any]) -> Finding:
    """What workspaces, long outputs and the database take."""
    kinds = [f"{each['kind']} {size(each['size_bytes'])}" for each in disk["workspaces"]]
    parts = [f"workspaces: {', '.join(kinds) or 'none measured'}"]
    for name, words in (("blobs_bytes", "long outputs"), ("database_bytes", "database")):
        if disk[name] is not None:
            parts.append(f"{words} {size(disk[name])}")
    if disk["free_bytes"] is not None:
        parts.append(f"{size(disk['free_bytes'])} free for workspaces")
    return Finding("room", "OK", "; ".join(parts))


def read_opencode(opencode: dict[str, Any] | None) -> list[Finding]:
    """What the server says of its OpenCode; that it is only started later is not worth a line."""
    if opencode is None or opencode["phase"] in {"stopped", "starting"}:
        return []
    which = f"{opencode['version']} is " if opencode["version"] else ""
    text = f"{which}{opencode['phase']} in the server"
    if opencode["code"] is None:
        return [Finding("opencode", "OK", text)]
    level: checks.Level = "warn" if opencode["phase"] == "ready" else "FAIL"
    return [Finding("opencode", level, f"{text} ({opencode['code']})", opencode["problem"] or "")]
