"""`open-agent doctor`: everything that a run needs, looked at."""

from dataclasses import asdict
from typing import Any

import anyio
import pydantic_core

from open_agent.cli import checks
from open_agent.cli.checks import Finding
from open_agent.cli.connection import connect
from open_agent.cli.exits import Exit
from open_agent.cli.model_checks import check_model
from open_agent.cli.options import Place
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
    pieces = [
        Piece(f"{found.level:<5} ", _STYLES[found.level]),
        Piece(f"{found.name:<10} ", "strong"),
        Piece(f"\n{' ' * 17}".join(lines) + "\n"),
    ]
    if found.mend:
        pieces.append(Piece(f"{' ' * 17}→ {neutral(found.mend)}\n", "warn"))
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
        running = await _ask_server(session)
        findings += running
        if not running and not session.finder.is_named:
            activity = "opening the database"
            findings.append(await checks.check_database(settings, session.clock))
        findings += await checks.check_programs(settings)
        activity = f"asking {settings.openrouter_base_url}"
        findings += await check_model(settings)
        findings += [checks.check_budget(settings), checks.check_room(settings)]
    return findings


async def _ask_server(session: Session) -> list[Finding]:
    """What a running server says of itself; nothing when none runs."""
    announced = session.finder.announcement()
    async with connect(session.finder.address) as connection:
        try:
            if not await connection.is_answering():
                return _silent(session, connection.url)
            status = (await connection.get("/api/status")).value
        except OpenAgentError as error:
            if error.code == "server.foreign" and announced is None:
                mend = "Set PORT to another one before `open-agent serve`."
                return [] if session.finder.is_named else [_foreign(error, mend)]
            return [Finding("server", "FAIL", error.code, error.message)]
        return read_status(connection.url, status)


def _silent(session: Session, url: str) -> list[Finding]:
    announced = session.finder.announcement()
    if session.finder.is_named:
        return [Finding("server", "FAIL", f"nothing answers at {url}", "Start it there.")]
    if announced is not None:
        text = f"process {announced.pid} should answer at {url}, and does not"
        return [Finding("server", "FAIL", text, "It may still start; else stop it.")]
    return []


def _foreign(error: OpenAgentError, mend: str) -> Finding:
    return Finding("server", "warn", error.message, mend)


def read_status(url: str, status: dict[str, Any]) -> list[Finding]:
    """What the server's own account of itself comes to."""
    engine, database = status["engine"], status["database"]
    text = (
        f"{status['versions']['server']} at {url} is {status['phase']}; "
        f"{engine['running']} at work, {engine['queued']} queued"
    )
    level: checks.Level = "OK" if status["phase"] == "ready" else "warn"
    findings = [Finding("server", level, text)]
    if database["ok"]:
        findings.append(Finding("database", "OK", f"{database['kind']}, open in the server"))
    else:
        problem = str(database["problem"])
        findings.append(Finding("database", "FAIL", problem, "Look at the server's log."))
    return findings
