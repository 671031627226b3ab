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

    def of_type(self, type_: str) -> list[Stored]:
        """The events of one type, in the order of their missions and places."""
        return [each for each in self.stored if each.type == type_]


def check_history(folder: Path) -> list[str]:
    """What is wrong with a history that has come to its end; empty when every promise held."""
    evidence = _gather(folder)
    checks = (_promises, _numbers, _identities, _effects, _runs, _messages, _blobs)
    return [problem for check in checks for problem in check(evidence)]


def _gather(folder: Path) -> Evidence:
    evidence = Evidence(folder)
    connection = sqlite3.connect(f"file:{folder / 'data' / FILE_NAME}?mode=ro", uri=True)
    columns = "mission_id, seq, owner_id, owner_seq, run_id, type, key, body"
    for row in connection.execute(f"SELECT {columns} FROM events ORDER BY mission_id, seq"):  # noqa: S608
        evidence.stored.append(Stored(*row, event=json.loads(row[-1])))
    connection.close()
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
    """`seq` has no gap in a mission, `owner_seq` none in an owner."""
    seqs: dict[str, list[int]] = defaultdict(list)
    owner_seqs: dict[str, list[int]] = defaultdict(list)
    for event in evidence.stored:
        seqs[f"seq of mission {event.mission_id}"].append(event.seq)
        owner_seqs[f"owner_seq of {event.owner_id}"].append(event.owner_seq)
    return [
        f"numbers: {name} is {sorted(numbers)}"
        for name, numbers in (seqs | owner_seqs).items()
        if sorted(numbers) != list(range(1, len(numbers) + 1))
    ]


def _identities(evidence: Evidence) -> list[str]:
    """What happens once is in the log once."""
    seen: Counter[tuple[str, ...]] = Counter()
    for event in evidence.stored:
        if event.key is not None:
            seen["key", event.mission_id, event.key] += 1
        match event.type:
            case "message.received":
                seen["message", event.event["message_id"]] += 1
            case "tool.called" | "tool.returned":
                seen[event.type, event.mission_id, event.event["call_id"]] += 1
            case "run.started" | "run.finished":
                seen[event.type, str(event.run_id)] += 1
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
    tools = {e.event["call_id"]: e.event["name"] for e in evidence.of_type("tool.called")}
    watched = {tools.get(call_id) for call_id in evidence.effects}
    # Of a tool that never records what it does, nothing can be said.
    outcomes = {e.event["call_id"]: e.event["outcome"] for e in evidence.of_type("tool.returned")}
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
    by_run: dict[str, list[str]] = defaultdict(list)
    for event in evidence.stored:
        if event.run_id is not None:
            by_run[event.run_id].append(event.type)
    for run_id, types in by_run.items():
        if types[0] != "run.started":
            problems.append(f"run: {run_id} begins with {types[0]}")
        if types.count("run.finished") != 1:
            problems.append(f"run: {run_id} finished {types.count('run.finished')} times")
        elif types[-1] != "run.finished":
            problems.append(f"run: {run_id} goes on with {types[-1]} after its end")
    return problems


def _messages(evidence: Evidence) -> list[str]:
    """Every message was taken by exactly one run, or steered one that was under way."""
    taken: Counter[str] = Counter()
    for event in evidence.of_type("run.started"):
        taken.update(event.event["message_ids"])
    problems: list[str] = []
    for event in evidence.of_type("message.received"):
        message_id = event.event["message_id"]
        if taken[message_id] > 1:
            problems.append(f"message: {message_id} was taken {taken[message_id]} times")
        if not taken[message_id] and not _steered(evidence, event):
            problems.append(f"message: {message_id} was never taken")
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
        if spilled := event.event.get("spilled"):
            path = evidence.folder / "data" / "blobs" / event.mission_id / spilled["digest"]
            content = path.read_bytes() if path.exists() else None
            if content is None or hashlib.sha256(content).hexdigest() != spilled["digest"]:
                problems.append(f"blob: {spilled['digest']} of {event.mission_id} is not there")
    return problems
