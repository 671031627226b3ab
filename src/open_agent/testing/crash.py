"""Kills a program at every point of its work, lets it recover, and checks what it left behind.

A parent that has imported everything and started no thread forks a child for each life. The child
opens the database and runs the program until it reaches the failpoint it is to die at, or a timer
ends it; the next fork finds what was left and goes on. What the child was told is durable is
written outside the database the moment it is told, and compared with the log at the end.

The program is an async callable: `check.py` judges what it left, whatever it was.
"""

import asyncio
import gc
import hashlib
import json
import os
import shutil
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from open_agent.core.clock import SystemClock
from open_agent.events.log import EventLog
from open_agent.store.base import Database
from open_agent.store.data_dir import DataDir
from open_agent.store.sqlite.database import FILE_NAME, SqliteStatements, open_sqlite
from open_agent.store.sqlite.opening import prepare
from open_agent.testing.check import check_history
from open_agent.testing.watched import Failpoint, Journal, WatchedLog

FROM_NOTHING = 10
"""Of this many histories, one begins without a database; the others with a new one."""
MAX_KILLS_A_HISTORY = 6
TIMED = 5
"""Of this many kills, one comes at a random time instead of at a failpoint."""

Program = Callable[[Database, Failpoint], Awaitable[None]]
"""Does its work and returns when all of it is done; started again after every kill."""
Wrap = Callable[[EventLog, Failpoint], EventLog]


@dataclass(slots=True)
class Report:
    """What a campaign did and found.

    Attributes:
        kills: How often a child was killed.
        histories: How many histories were brought to their end.
        deaths: At which failpoints children died, and how often each.
        problems: What the checker found; empty when every promise held.
    """

    kills: int = 0
    histories: int = 0
    deaths: Counter[str] = field(default_factory=Counter[str])
    problems: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Campaign:
    """Kills a program again and again, in folders below `folder`.

    Attributes:
        program: What is killed.
        wrap: What stands between the program and the log; a planted bug for the checker's tests.
        seed: The same seed kills at the same points.
    """

    program: Program
    folder: Path
    wrap: Wrap = WatchedLog
    seed: str = "0"
    _sql: SqliteStatements = field(default_factory=SqliteStatements)

    def run(self, kills: int) -> Report:
        """Kill at least `kills` times, finish the last history, and say what was found."""
        if threading.active_count() > 1:
            raise RuntimeError("Fork before any thread is started: use a process of its own.")
        report = Report()
        points, seconds = self._measure(report)
        gc.collect()
        gc.freeze()
        number = 0
        while report.kills < kills and not report.problems:
            self._history(report, number, points, seconds)
            number += 1
        return report

    def _measure(self, report: Report) -> tuple[int, float]:
        """How many failpoints a life without a kill passes, and how long it lasts."""
        # Whatever is imported on first use is imported here, and not in every life.
        prepare(self.folder / FILE_NAME)
        anyio.run(anyio.sleep, 0)
        folder = self.folder / "measure"
        clock = SystemClock()
        before = clock.monotonic()
        status = self._live(folder, die_at=0, die_after=0.0)
        seconds = clock.monotonic() - before
        report.problems += check_history(folder)
        if status:
            report.problems.append(f"a life failed:\n{(folder / 'failure').read_text()}")
            return 0, seconds
        points = int((folder / "points").read_text())
        shutil.rmtree(folder)
        return points, seconds

    def _history(self, report: Report, number: int, points: int, seconds: float) -> None:
        folder = self.folder / f"history-{number}"
        dice = _dice(f"{self.seed}.{number}")
        if number % FROM_NOTHING:
            (folder / "data").mkdir(parents=True)
            shutil.copy(self.folder / FILE_NAME, folder / "data")
        status = 0
        for life in range(MAX_KILLS_A_HISTORY + 1):
            # The first life of each history sweeps the failpoints one by one.
            die_at, die_after = (number % points + 1 if life == 0 else next(dice) % points + 1), 0.0
            if life == MAX_KILLS_A_HISTORY:
                die_at = 0
            elif life and next(dice) % TIMED == 0:
                die_at, die_after = 0, max(0.0005, seconds * (next(dice) % 1000) / 1000)
            status = self._live(folder, die_at=die_at, die_after=die_after)
            if not os.WIFSIGNALED(status):
                break
            report.kills += 1
            died_at = "a random time" if die_after else (folder / "died").read_text()
            report.deaths[died_at] += 1
        report.histories += 1
        problems = check_history(folder)
        if os.waitstatus_to_exitcode(status) != 0:
            problems.append(f"a life failed:\n{(folder / 'failure').read_text()}")
        if problems:
            report.problems += [f"history {number}: {problem}" for problem in problems]
        else:
            shutil.rmtree(folder)

    def _live(self, folder: Path, *, die_at: int, die_after: float) -> int:
        """One life in a child of its own; how it ended."""
        folder.mkdir(parents=True, exist_ok=True)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                if die_after:
                    # Nobody handles this signal: the kernel ends the process where it stands.
                    signal.setitimer(signal.ITIMER_REAL, die_after)
                asyncio.run(self._child(folder, die_at))
                code = 0
            except BaseException:  # noqa: BLE001 # boundary: a child never returns to its parent's code
                (folder / "failure").write_text(traceback.format_exc())
            finally:
                os._exit(code)
        return os.waitpid(pid, 0)[1]

    async def _child(self, folder: Path, die_at: int) -> None:
        failpoint = Failpoint(folder, Journal(folder / "told"), die_at)
        failpoint("opening")
        directory = DataDir.open(folder / "data", is_shared=False)
        db = await open_sqlite(
            directory, SystemClock(), lambda stage: failpoint(f"writer:{stage}"), self._sql
        )
        failpoint("opened")
        await self.program(replace(db, log=self.wrap(db.log, failpoint)), failpoint)
        rebuilt, stored = await db.upkeep.rebuilt(), await db.upkeep.stored()
        if rebuilt != stored:
            raise AssertionError(f"Rows do not follow from the log:\n{rebuilt}\n{stored}")
        await db.close()
        (folder / "points").write_text(str(failpoint.passed))


def _dice(seed: str) -> Iterator[int]:
    """Numbers without a pattern, the same for the same seed."""
    number = 0
    while True:
        digest = hashlib.sha256(f"{seed}.{number}".encode()).digest()
        yield int.from_bytes(digest[:4], "big")
        number += 1


def as_json(report: Report) -> str:
    """A report for another process."""
    return json.dumps(
        {
            "kills": report.kills,
            "histories": report.histories,
            "deaths": dict(report.deaths.most_common()),
            "problems": report.problems,
        }
    )
