from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from open_agent.cli.rendering import calls
from open_agent.cli.rendering.narrator import FULL, Foldings, Narrator
from open_agent.cli.rendering.output import Folding
from open_agent.cli.rendering.pieces import Piece, plain
from open_agent.core.ids import CallId
from open_agent.core.run import Outcome, Usage
from open_agent.events.delta import Delta, DeltaKind
from open_agent.events.model.base import BlobRef
from open_agent.events.model.history import HistoryCompacted
from open_agent.events.model.run import RunFinished, RunRecovered, RunWaiting
from open_agent.events.model.tool import BackgroundProcess, ToolCalled, ToolReturned
from open_agent.events.model.union import UnknownEvent
from open_agent.events.record import Record
from tests.histories import MISSION, RUN, History, begun


def told(history: History, foldings: Foldings | None = None) -> str:
    narrator = Narrator(MISSION, foldings) if foldings else Narrator(MISSION)
    return "".join(plain(narrator.apply(record)) for record in history.records)


def live(kind: DeltaKind, step: int, offset: int, content: str, call: str | None = None) -> Delta:
    return Delta(
        mission_id=MISSION,
        run_id=RUN,
        kind=kind,
        step=step,
        call_id=CallId(call) if call else None,
        offset=offset,
        content=content,
    )


def calling(name: str, effect: str, **arguments: object) -> ToolCalled:
    return ToolCalled.model_validate(
        {"call_id": "c1-0", "name": name, "effect": effect, "arguments": arguments}
    )


def command(text: str = "pytest -q") -> History:
    """A run that has just called a command."""
    history = begun().asked().answered("", [("run_command", "{}")])
    return history.add(calling("run_command", "execute", command=text, cwd="src"))


def answering(content: str, exit_code: int | None = 0, **changes: object) -> ToolReturned:
    return ToolReturned.model_validate(
        {
            "call_id": "c1-0",
            "name": "run_command",
            "outcome": "ok",
            "content": content,
            "duration_ms": 2300,
            "exit_code": exit_code,
            **changes,
        }
    )


def test_a_whole_run_is_told_from_the_task_to_the_outcome() -> None:
    history = command().add(answering("Exit code: 1\n--- stdout ---\n.F\n1 failed", 1))
    history.asked().answered("", [("edit_file", "{}")])
    diff = "--- calc.py\n+++ calc.py\n@@ -1 +1 @@\n-    return a - b\n+    return a + b\n"
    history.add(
        calling("edit_file", "write", old_text="a - b", path="calc.py", new_text="a\nb").model_copy(
            update={"call_id": "c2-0"}
        ),
        answering(
            "Changed calc.py", None, call_id="c2-0", name="edit_file", diff=diff, duration_ms=3
        ),
    )
    history.asked().answered("Done, it was a minus.").add(
        RunFinished(
            outcome=Outcome.SUCCEEDED,
            reason="done",
            result="Done, it was a minus.",
            steps=3,
            usage=Usage(input_tokens=12_345, cached_tokens=8000, output_tokens=950),
            cost_microdollars=12_300,
            duration_seconds=64,
            decided_on=1,
        )
    )
    assert told(history) == snapshot("""\
works in /work

› Do it.

test/model · budget $10.00 · at most 50 steps

$ pytest -q  (in src)
  │ .F
  │ 1 failed
  ✗ exit 1 · 2.3 s

• edit_file calc.py
  --- calc.py
  +++ calc.py
  @@ -1 +1 @@
  -    return a - b
  +    return a + b
  ✓ 3 ms

Done, it was a minus.

✓ succeeded · 3 steps · $0.0123 · 12.3k tokens in (8.0k cached), 950 out · 1 m 04 s
""")


def test_an_answer_that_came_live_is_not_told_again() -> None:
    history = begun().asked().answered("One two three.")
    narrator = Narrator(MISSION)
    *before, answered = history.records
    for record in before:
        narrator.apply(record)
    pieces = narrator.apply_delta(live("text", 1, 0, "One "))
    pieces += narrator.apply_delta(live("text", 1, 4, "two"))
    assert plain(pieces) == "\nOne two"
    assert plain(narrator.apply(answered)) == " three.\n"


def test_live_text_that_is_sent_again_after_a_reconnect_is_passed_over() -> None:
    narrator = Narrator(MISSION)
    for record in begun().asked().records:
        narrator.apply(record)
    narrator.apply_delta(live("text", 1, 0, "One two"))
    assert narrator.apply_delta(live("text", 1, 0, "One two")) == []
    assert plain(narrator.apply_delta(live("text", 1, 0, "One two three"))) == " three"


def test_an_answer_that_differs_from_what_came_live_is_told_whole() -> None:
    history = begun().asked().answered("Something else.")
    narrator = Narrator(MISSION)
    for record in history.records[:-1]:
        narrator.apply(record)
    narrator.apply_delta(live("text", 1, 0, "One two"))
    assert plain(narrator.apply(history.records[-1])) == "\n\nSomething else.\n"


def test_late_live_text_of_an_answer_is_passed_over() -> None:
    narrator = Narrator(MISSION)
    for record in begun().asked().answered("All.").records:
        narrator.apply(record)
    assert narrator.apply_delta(live("text", 1, 0, "All.")) == []


@given(st.text(max_size=60), st.data())
def test_however_an_answer_comes_its_words_are_told_once(text: str, data: st.DataObject) -> None:
    history = begun().asked().answered(text)
    whole = told(history)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    narrator = Narrator(MISSION)
    pieces: list[Piece] = []
    for record in history.records[:-1]:
        pieces += narrator.apply(record)
    known = 0
    for cut in cuts:
        start = data.draw(st.integers(0, known))
        pieces += narrator.apply_delta(live("text", 1, start, text[start:cut]))
        known = cut
    pieces += narrator.apply(history.records[-1])
    if "\r" not in text and text.isprintable():
        assert plain(pieces).split() == whole.split()


def test_a_gap_in_live_text_is_seen_and_the_whole_answer_follows() -> None:
    history = begun().asked().answered("One two three.")
    narrator = Narrator(MISSION)
    for record in history.records[:-1]:
        narrator.apply(record)
    pieces = narrator.apply_delta(live("text", 1, 4, "two"))
    pieces += narrator.apply(history.records[-1])
    assert plain(pieces) == "\n…two\n\nOne two three.\n"


def test_output_of_a_command_is_shown_as_it_comes_line_by_line() -> None:
    narrator = Narrator(MISSION)
    for record in command().records:
        narrator.apply(record)
    assert plain(narrator.apply_delta(live("output", 1, 0, "one\ntw", "c1-0"))) == "  │ one\n"
    assert plain(narrator.apply_delta(live("output", 1, 6, "o\n", "c1-0"))) == "  │ two\n"


def test_what_the_live_output_lacked_is_shown_with_the_answer() -> None:
    history = command()
    narrator = Narrator(MISSION)
    for record in history.records:
        narrator.apply(record)
    narrator.apply_delta(live("output", 1, 0, "warning\none\ntw", "c1-0"))
    content = "Exit code: 0\n--- stdout ---\none\ntwo\n--- stderr ---\nwarning"
    history.add(answering(content))
    assert plain(narrator.apply(history.records[-1])) == snapshot("""\
  │ two
  ✓ exit 0 · 2.3 s
""")


def test_long_output_keeps_its_beginning_and_its_end() -> None:
    text = "".join(f"line {n}\n" for n in range(1, 101))
    foldings = Foldings(Folding(2, 1), Folding(2), Folding(2), Folding(2))
    history = command().add(answering(f"Exit code: 0\n--- stdout ---\n{text}"))
    whole = told(history, foldings)
    assert whole[whole.index("$") :] == snapshot("""\
$10.00 · at most 50 steps

$ pytest -q  (in src)
  │ line 1
  │ line 2
  … 97 lines left out; `open-agent show 11111111 --full` shows all
  │ line 100
  ✓ exit 0 · 2.3 s
""")
    everything = told(history, FULL)
    assert everything.count("│ line ") == 100
    assert "left out" not in everything


def test_live_and_late_output_fold_alike() -> None:
    text = "".join(f"line {n}\n" for n in range(1, 101))
    foldings = Foldings(Folding(2, 1), Folding(2), Folding(2), Folding(2))
    history = command().add(answering(f"Exit code: 0\n--- stdout ---\n{text}"))
    narrator = Narrator(MISSION, foldings)
    pieces: list[Piece] = []
    for record in history.records[:-1]:
        pieces += narrator.apply(record)
    for start in range(0, len(text), 37):
        pieces += narrator.apply_delta(live("output", 1, start, text[start : start + 37], "c1-0"))
    pieces += narrator.apply(history.records[-1])
    assert plain(pieces) == told(history, foldings)


def test_calls_that_only_read_are_told_when_they_return() -> None:
    history = begun().asked().answered("", [("read_file", "{}"), ("read_file", "{}")])
    first = calling("read_file", "read", path="a.py")
    second = calling("read_file", "read", path="b.py", start_line=3).model_copy(
        update={"call_id": "c1-1"}
    )
    history.add(first, second)
    history.add(answering("B", None, name="read_file", call_id="c1-1", duration_ms=1))
    history.add(answering("A", None, name="read_file", outcome="failed", duration_ms=1))
    assert told(history) == snapshot("""\
works in /work

› Do it.

test/model · budget $10.00 · at most 50 steps

• read_file b.py start_line=3
  │ B
  ✓ 1 ms

• read_file a.py
  │ A
  ✗ 1 ms
""")


def test_calls_that_were_never_made_are_told_with_their_refusal() -> None:
    history = begun().asked().answered("", [("fly", "{")])
    history.returned(0, "There is no tool called 'fly'.", "failed", "fly")
    assert told(history).endswith("• fly\n  │ There is no tool called 'fly'.\n  ✗ 3 ms\n")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"exit_code": 0}, "  ✓ exit 0 · 2.3 s"),
        ({"exit_code": 2}, "  ✗ exit 2 · 2.3 s"),
        ({"exit_code": -9}, "  ✗ ended by SIGKILL · 2.3 s"),
        ({"exit_code": -200}, "  ✗ ended by signal 200 · 2.3 s"),
        ({"exit_code": None, "outcome": "failed"}, "  ✗ 2.3 s"),
        ({"exit_code": None, "outcome": "denied"}, "  ✗ denied · 2.3 s"),
        ({"exit_code": None, "outcome": "unknown"}, "  ? outcome unknown · 2.3 s"),
        ({"exit_code": None, "outcome": "cancelled"}, "  ■ cancelled · 2.3 s"),
        ({"exit_code": None, "outcome": "cancelled", "duration_ms": 0}, "  ■ cancelled"),
    ],
)
def test_a_call_says_how_it_ended(changes: dict[str, Any], line: str) -> None:
    history = command().add(answering("Exit code: 0", **changes))
    assert told(history).splitlines()[-1] == line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"url": "https://a.b/c?d"}, "• fly url=https://a.b/c?d"),
        ({"lines": 3, "path": "a b.py", "deep": False}, '• fly "a b.py" lines=3 deep=false'),
        ({"message": 'Say "hi" now'}, '• fly message="Say \\"hi\\" now"'),
        ({"files": ["a.py", "b.py"], "none": None}, "• fly files=a.py,b.py none=null"),
        ({"files": ["a, b"], "extra": {"a": 1}}, '• fly files=["a, b"] extra={"a":1}'),
        ({"empty": "", "text": "one\ntwo\n"}, '• fly empty="" text: 2 lines'),
    ],
)
def test_arguments_are_told_as_one_would_type_them(arguments: dict[str, Any], line: str) -> None:
    assert plain(calls.heading("fly", arguments)) == line


def test_an_edit_that_failed_says_what_it_would_have_changed() -> None:
    history = begun().asked().answered("", [("edit_file", "{}")])
    history.add(calling("edit_file", "write", path="a.py", old_text="a - b", new_text="a\nb"))
    history.add(answering("No such text.", None, name="edit_file", outcome="failed"))
    story = told(history)
    assert story[story.index("•") :] == snapshot("""\
• edit_file a.py
  old_text="a - b" new_text: 2 lines
  │ No such text.
  ✗ 2.3 s
""")


def test_a_reason_that_was_told_is_not_told_again() -> None:
    history = begun().asked().failed()
    until = history.now + timedelta(seconds=8)
    history.add(RunWaiting(reason="model.retry", message="It failed.", until=until, decided_on=1))
    history.asked_again().failed()
    history.add(
        RunFinished(
            outcome=Outcome.FAILED,
            reason="provider.unauthorized",
            result="It failed.",
            steps=0,
            usage=Usage(),
            cost_microdollars=0,
            duration_seconds=1,
            decided_on=1,
        )
    )
    story = told(history)
    assert story[story.index("✗") :] == snapshot("""\
✗ The model call failed: It failed.

… Waits 8 s.

✗ The model call failed: It failed.

✗ failed (provider.unauthorized) · 0 steps · free · 1 s
""")


def test_what_a_command_leaves_behind_is_named() -> None:
    blob = BlobRef(digest="a" * 64, size=12_345_678)
    left = BackgroundProcess(pid=77, command="sleep 100\nx", is_kept=False)
    kept = BackgroundProcess(pid=78, command="redis", is_kept=True)
    history = command().add(answering("Exit code: 0", spilled=blob, background=[left, kept]))
    story = told(history)
    assert story[story.index("  ✓") :] == snapshot("""\
  ✓ exit 0 · 2.3 s
    the whole output, 12.3 MB, is in the data directory: blobs/11111111-1111-4111-8111-111111111111/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    still runs and ends with the run: 77 sleep 100 x
    still runs and is kept: 78 redis
""")


def test_failures_waits_and_other_models_are_told() -> None:
    history = begun().asked().failed()
    history.waited("model.retry", history.now + timedelta(seconds=8))
    history.asked_again("other/model").answered("Hm.").noticed().cancelled()
    history.add(RunRecovered(epoch=2, unanswered=[CallId("c1")]))
    history.add(
        HistoryCompacted(
            upto_seq=3,
            kept=[],
            summary="",
            method="summary",
            bytes_before=120_000,
            bytes_after=8_000,
            state={},
        )
    )
    history.message("Mind the tests.", "steer")
    history.finished(Outcome.CANCELLED)
    assert told(history) == snapshot("""\
works in /work

› Do it.

test/model · budget $10.00 · at most 50 steps

✗ The model call failed: It failed.

… Waits 8 s: Waiting.

(going on with other/model)

Hm.

(test/model answered)

! The model is told: Mind this.

■ Stop requested

↻ Taken up again where it was; the outcome of 1 call is unknown

(the history was shortened by summary, from 120 KB to 8 KB)

› (steer) Mind the tests.

Done.

■ cancelled · 1 step · free · 1 s
""")


def test_an_ending_of_a_newer_release_ends_the_story() -> None:
    event = UnknownEvent.model_validate(
        {
            "type": "run.finished",
            "outcome": "exhausted",
            "reason": "steps",
            "result": "Too long.",
            "steps": 50,
            "usage": {},
            "cost_microdollars": 0,
            "duration_seconds": 1.0,
            "decided_on": 1,
            "mood": "tired",
        }
    )
    narrator = Narrator(MISSION)
    narrator.apply(
        Record(seq=1, owner_seq=1, at=begun().now, mission_id=MISSION, run_id=RUN, event=event)
    )
    assert narrator.ending is not None
    assert (narrator.ending.outcome, narrator.ending.reason) == (Outcome.EXHAUSTED, "steps")
    strange = UnknownEvent.model_validate({"type": "run.finished", "outcome": "ascended"})
    narrator.apply(
        Record(seq=2, owner_seq=2, at=begun().now, mission_id=MISSION, run_id=RUN, event=strange)
    )
    assert narrator.ending.reason == "newer_release"


def test_an_event_of_a_newer_release_is_named() -> None:
    event = UnknownEvent(type="plan.updated")
    narrator = Narrator(MISSION)
    pieces = narrator.apply(
        Record(seq=1, owner_seq=1, at=begun().now, mission_id=MISSION, run_id=RUN, event=event)
    )
    assert plain(pieces) == "(plan.updated: a newer open-agent can show this)\n"


def test_nothing_that_a_terminal_would_obey_comes_through() -> None:
    evil = "\x1b]0;pwned\x07\x1b[2J\x9b31m\x1bPq\x1b\\ok\x08\x00\u202e"
    history = History().created().message(evil).started(model=evil).asked()
    history.answered(evil, [("run_command", "{}")])
    history.add(calling(evil, "execute", command=evil, cwd=evil))
    history.add(
        answering(
            evil,
            1,
            name=evil,
            diff=evil,
            background=[BackgroundProcess(pid=1, command=evil)],
        )
    )
    history.asked().failed(evil).noticed().cancelled()
    story = told(history)
    assert "ok" in story
    assert [
        char for char in story if char != "\n" and (char < " " or "\x7f" <= char < "\xa0")
    ] == []
    assert "\u202e" not in story


def test_what_goes_on_is_said_in_a_few_words() -> None:
    history = begun()
    narrator = Narrator(MISSION)
    said: list[str] = []
    history.asked().answered("", [("run_command", "{}")])
    history.add(calling("run_command", "execute", command="pytest -q\necho"))
    history.add(answering("Exit code: 0")).finished()
    for record in history.records:
        narrator.apply(record)
        said.append(narrator.activity)
    assert said == snapshot(
        [
            "waiting for its turn",
            "waiting for its turn",
            "starting",
            "test/model is asked (step 1)",
            "deciding",
            "$ pytest -q",
            "deciding",
            "",
        ]
    )
