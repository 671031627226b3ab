"""Makes what a release leaves behind: `python -m tests.golden.make`, once, before it goes out.

Writes `tests/golden/<version>/`: the database as the release keeps it, each mission's log as
JSONL, what it makes of it, and the owner's stream. The database and the logs are never written again;
`--summaries` writes anew what today's code makes of every release's logs.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pydantic_core

import open_agent
from open_agent.events.log import EncodedRecord
from open_agent.events.record import Record
from open_agent.events.upcast import FORMAT
from open_agent.store.database import open_database
from open_agent.store.sqlite.database import FILE_NAME
from tests.golden.backend_story import tell
from tests.golden.story import HOST, OWNER, StoryClock
from tests.golden.summary import decode, summarise

HERE = Path(__file__).parent
LOGS, SUMMARIES, FORMAT_FILE, STREAM = "logs", "summaries", "format", "stream.jsonl"


def releases() -> list[Path]:
    """The folders of all releases."""
    return sorted(path.parent for path in HERE.glob(f"*/{LOGS}"))


def logs(release: Path) -> list[Path]:
    """The logs of a release, one for each mission."""
    return sorted((release / LOGS).glob("*.jsonl"))


def format_of(release: Path) -> int:
    """The format that the release wrote."""
    return int((release / FORMAT_FILE).read_text())


def streams() -> list[Path]:
    """What releases sent to those who follow an owner; the oldest kept none."""
    return sorted(HERE.glob(f"*/{STREAM}"))


def lines_of(log: Path) -> list[bytes]:
    """The records of a log, as they were stored."""
    return log.read_bytes().splitlines()


def records_of(log: Path) -> list[Record]:
    """The records of a log, as today's code has them."""
    release = log.parent if log.name == STREAM else log.parent.parent
    return [decode(line, format_of(release)) for line in lines_of(log)]


def summary_path(log: Path) -> Path:
    """Where it says what a log comes to."""
    return log.parent.parent / SUMMARIES / f"{log.stem}.json"


def to_text(summary: dict[str, Any]) -> str:
    """A summary as it is kept: readable, so that a change of it is."""
    return pydantic_core.to_json(summary, indent=1).decode() + "\n"


async def make(release: Path) -> None:
    """Tell the story to a new database, and keep what comes of it."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        (data / "host_id").write_text(HOST + "\n")
        async with await open_database(data, StoryClock()) as db:
            told = {id_: await db.log.read_encoded(id_) for id_ in await tell(db)}
            stream = await db.log.read_owned(OWNER)
        (release / LOGS).mkdir(parents=True)
        (release / FORMAT_FILE).write_text(f"{FORMAT}\n")
        (release / FILE_NAME).write_bytes((data / FILE_NAME).read_bytes())
    (release / STREAM).write_bytes(_lines(stream))
    for mission_id, records in told.items():
        (release / LOGS / f"{mission_id}.jsonl").write_bytes(_lines(records))


def _lines(records: Sequence[EncodedRecord]) -> bytes:
    return b"".join(record.json + b"\n" for record in records)


def write_summaries() -> None:
    """What today's code makes of every log there is."""
    for log in (log for release in releases() for log in logs(release)):
        summary_path(log).parent.mkdir(exist_ok=True)
        summary_path(log).write_text(to_text(summarise(records_of(log))), encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Make this release's folder, unless it is there; write all summaries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--summaries", action="store_true", help="write only the summaries")
    is_summaries_only = parser.parse_args(arguments).summaries
    release = HERE / open_agent.__version__
    if not is_summaries_only:
        if release.exists():
            sys.stderr.write(f"{release} exists. What a release wrote is not written again.\n")
            return 1
        anyio.run(make, release)
    write_summaries()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
