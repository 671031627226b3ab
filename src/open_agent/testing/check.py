"""Judges what a crashed and recovered program left behind.

Compares by identity, never by count: what was promised is a digest of the very event, and a call,
a message and a run are known by their ids. Reads the files themselves, not through the code that
wrote them.
"""

import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from open_agent.store.sqlite.database import FILE_NAME


@dataclass(frozen=True, slots=True)
class Stored:
    """An event as the database has it."""

    mission_id: str
    seq: int
    owner_id: str
    owner_seq: int
    run_id: str | None
    type: str
    key: str | None
    body: str
    event: dict[str, Any]


@dataclass(slots=True)
class Evidence:
    """Everything that was left: the log, what was promised, and what was done."""

    folder: Path
    stored: list[Stored] = field(default_factory=list[Stored])
    promises: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    effects: Counter[str] = field(default_factory=Counter[str])
    rows: set[str] = field(default_factory=set[str])
    """Missions that have a row anywhere beside the log."""
    copies: dict[str, int] = field(default_factory=dict[str, int])
    """Of a fork, the `seq` of the last record that is a copy."""

    @property
    def deleted(self) -> dict[str, Stored]:
        """What is left of each mission that was deleted."""
        return {event.mission_id: event for event in self.of_type("mission.deleted")}

    def is_copy(self, event: Stored) -> bool:
        """Whether it happened in another mission."""
        return 1 < event.seq <= self.copies.get(event.mission_id, 0)

    def of_type(self, type_: str) -> list[Stored]:
        """The events of one type, in the order of their missions and places."""
        return [each for each in self.stored if each.type == type_]


def check_history(folder: Path) -> list[str]:
    """What is wrong with a history that has come to its end; empty when every promise held."""
    evidence = _gather(folder)
    checks = (_promises, _numbers, _identities, _effects, _runs, _messages, _blobs)
    checks += (_answers, _forks, _deletions)
    return [problem for check in checks for problem in check(evidence)]


def _gather(folder: Path) -> Evidence:
    evidence = Evidence(folder)
    connection = sqlite3.connect(f"file:{folder / 'data' / FILE_NAME}?mode=ro", uri=True)
    columns = "mission_id, seq, owner_id, owner_seq, run_id, type, key, body"
    for row in connection.execute(f"SELECT {columns} FROM events ORDER BY mission_id, seq"):  # noqa: S608
        evidence.stored.append(Stored(*row, event=json.loads(row[-1])))
    tables = (("missions", "id"), ("runs", "mission_id"), ("queue", "mission_id"))
    for table, column in (*tables, ("texts", "mission_id")):
        found = connection.execute(f"SELECT {column} FROM {table}")  # noqa: S608
        evidence.rows |= {row[0] for row in found}
    connection.close()
    for event in evidence.of_type("mission.created"):
        if origin := event.event.get("forked_from"):
            evidence.copies[event.mission_id] = origin["copies"] + 1
    evidence.promises = _lines(folder / "told")
    evidence.effects = Counter(line["call_id"] for line in _lines(folder / "effects"))
    return evidence


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _promises(evidence: Evidence) -> list[str]:
    """Nothing that somebody was told is durable is lost, or is another event now."""
    by_place = {(e.mission_id, e.seq): _digest(e) for e in evidence.stored}
    by_mission: dict[str, set[str]] = defaultdict(set)
    for event in evidence.stored:
        by_mission[event.mission_id].add(_digest(event))
    problems: list[str] = []
    for promise in evidence.promises:
        mission_id, seq, digest = promise["mission"], promise["seq"], promise["event"]
        if mission_id in evidence.deleted and promise["type"] != "mission.deleted":
            continue
        is_kept = (
            digest in by_mission[mission_id]
            if seq is None
            else by_place.get((mission_id, seq)) == digest
        )
        if not is_kept:
            problems.append(f"lost: {promise['type']} at {seq} of {mission_id} was acknowledged")
    return problems


def _digest(event: Stored) -> str:
    return hashlib.sha256(event.body.encode()).hexdigest()


def _numbers(evidence: Evidence) -> list[str]:
    """`seq` has no gap in a mission, `owner_seq` none but what deleted missions leave."""
    seqs: dict[str, list[int]] = defaultdict(list)
    owner_seqs: dict[str, list[int]] = defaultdict(list)
    gone: Counter[str] = Counter()
    for event in evidence.stored:
        owner_seqs[event.owner_id].append(event.owner_seq)
        if event.mission_id in evidence.deleted:
            gone[event.owner_id] += event.seq - 1
        else:
            seqs[event.mission_id].append(event.seq)
    problems = [
        f"numbers: seq of mission {mission_id} is {numbers}"
        for mission_id, numbers in seqs.items()
        if numbers != list(range(1, len(numbers) + 1))
    ]
    for owner, numbers in owner_seqs.items():
        if len(set(numbers)) != len(numbers) or max(numbers) != len(numbers) + gone[owner]:
            problems.append(f"numbers: owner_seq of {owner} is {sorted(numbers)}")
    return problems


def _identities(evidence: Evidence) -> list[str]:
    """What happens once is in the log once."""
    seen: Counter[tuple[str, ...]] = Counter()
    for event in evidence.stored:
        if event.key is not None:
            seen["key", event.mission_id, event.key] += 1
        match event.type:
            case "message.received" if not evidence.is_copy(event):
                seen["message", event.event["message_id"]] += 1
            case "tool.called" | "tool.returned":
                seen[event.type, event.mission_id, event.event["call_id"]] += 1
            case "run.started" | "run.finished":
                seen[event.type, event.mission_id, str(event.run_id)] += 1
            case "mission.created":
                seen[event.type, event.mission_id] += 1
                if parent := event.event.get("parent"):
                    seen["child", parent["mission_id"], parent["call_id"]] += 1
            case "answer.requested" | "answer.given" | "answer.defaulted":
                seen[event.type, event.mission_id, event.event["call_id"]] += 1
            case _:
                pass
    return [f"twice: {' '.join(what)}, {n} times" for what, n in seen.items() if n > 1]


def _effects(evidence: Evidence) -> list[str]:
    """Each effect was intended first, done at most once, and answered truthfully."""
    made = [e for e in evidence.of_type("tool.called") if not evidence.is_copy(e)]
    tools = {e.event["call_id"]: e.event["name"] for e in made}
    places = {(e.mission_id, e.event["call_id"]) for e in made}
    watched = {tools.get(call_id) for call_id in evidence.effects}
    # Of a tool that never records what it does, nothing can be said.
    answers = evidence.of_type("tool.returned")
    ours = [e for e in answers if (e.mission_id, e.event["call_id"]) in places]
    outcomes = {e.event["call_id"]: e.event["outcome"] for e in ours}
    problems = [
        f"effect: {call_id} was done {times} times"
        for call_id, times in evidence.effects.items()
        if times > 1
    ]
    problems += [
        f"effect: {call_id} was done without tool.called"
        for call_id in evidence.effects
        if call_id not in tools
    ]
    problems += [f"call: {call_id} has no answer" for call_id in tools.keys() - outcomes.keys()]
    problems += [
        f"effect: {call_id} is answered ok and was done {evidence.effects[call_id]} times"
        for call_id, outcome in outcomes.items()
        if outcome == "ok" and tools.get(call_id) in watched and evidence.effects[call_id] != 1
    ]
    return problems


def _runs(evidence: Evidence) -> list[str]:
    """Every run that started came to exactly one end, and nothing was done for it afterwards."""
    problems: list[str] = []
    by_run: dict[tuple[str, str], list[str]] = defaultdict(list)
    for event in evidence.stored:
        if event.run_id is not None:
            by_run[event.mission_id, event.run_id].append(event.type)
    for (_, run_id), types in by_run.items():
        if types[0] != "run.started":
            problems.append(f"run: {run_id} begins with {types[0]}")
        if types.count("run.finished") != 1:
            problems.append(f"run: {run_id} finished {types.count('run.finished')} times")
        elif types[-1] != "run.finished":
            problems.append(f"run: {run_id} goes on with {types[-1]} after its end")
    return problems


def _messages(evidence: Evidence) -> list[str]:
    """Every message was taken by exactly one run, steered one that was under way, or removed."""
    taken: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in evidence.of_type("run.started"):
        for message_id in event.event["message_ids"]:
            taken[event.mission_id, message_id].append(event.seq)
    removed = {(e.mission_id, e.event["message_id"]) for e in evidence.of_type("message.removed")}
    problems: list[str] = []
    for event in evidence.of_type("message.received"):
        message = event.mission_id, event.event["message_id"]
        times = len(taken[message]) + (message in removed)
        if times > 1:
            problems.append(f"message: {message[1]} was taken or removed {times} times")
        if not times and not _steered(evidence, event):
            problems.append(f"message: {message[1]} was never taken")
    for type_ in ("message.edited", "message.moved"):
        for event in evidence.of_type(type_):
            message_id = event.event["message_id"]
            if any(seq < event.seq for seq in taken[event.mission_id, message_id]):
                problems.append(f"message: {message_id} has {type_} after a run had taken it")
    return problems


def _steered(evidence: Evidence, message: Stored) -> bool:
    """Whether a steering message was seen by a model call that came after it."""
    return message.event["delivery"] == "steer" and any(
        event.mission_id == message.mission_id
        and event.seq > message.seq
        and event.event["purpose"] == "step"
        for event in evidence.of_type("model.asked")
    )


def _blobs(evidence: Evidence) -> list[str]:
    """Content that the log names is there, and is what its name says."""
    problems: list[str] = []
    for event in evidence.of_type("tool.returned"):
        spilled = event.event.get("spilled")
        for ref in [*([spilled] if spilled else []), *event.event.get("images", [])]:
            path = evidence.folder / "data" / "blobs" / event.mission_id / ref["digest"]
            content = path.read_bytes() if path.exists() else None
            if content is None or hashlib.sha256(content).hexdigest() != ref["digest"]:
                problems.append(f"blob: {ref['digest']} of {event.mission_id} is not there")
    return problems


def _answers(evidence: Evidence) -> list[str]:
    """A question is answered at most once, and nothing is answered that was not asked."""
    asked = {(e.mission_id, e.event["call_id"]) for e in evidence.of_type("answer.requested")}
    given = [*evidence.of_type("answer.given"), *evidence.of_type("answer.defaulted")]
    answers = Counter((e.mission_id, e.event["call_id"]) for e in given)
    return [
        f"answer: {call_id} has {times} answers{'' if (mission_id, call_id) in asked else ' unasked'}"
        for (mission_id, call_id), times in answers.items()
        if times > 1 or (mission_id, call_id) not in asked
    ]


def _forks(evidence: Evidence) -> list[str]:
    """A fork's copies are what the other mission has."""
    by_place = {(e.mission_id, e.seq): (e.run_id, e.body) for e in evidence.stored}
    created = {e.mission_id: e.event for e in evidence.of_type("mission.created")}
    return [
        f"fork: {event.seq} of {event.mission_id} is not what {other} has"
        for event in evidence.stored
        if evidence.is_copy(event)
        and (other := created[event.mission_id]["forked_from"]["mission_id"]) in created
        and by_place.get((other, event.seq)) != (event.run_id, event.body)
    ]


def _deletions(evidence: Evidence) -> list[str]:
    """Of a deleted mission there is one record, and nothing else anywhere."""
    records = Counter(event.mission_id for event in evidence.stored)
    blobs = evidence.folder / "data" / "blobs"
    return [
        f"deleted: there is more left of {mission_id}"
        for mission_id in evidence.deleted
        if records[mission_id] > 1 or mission_id in evidence.rows or (blobs / mission_id).exists()
    ]
