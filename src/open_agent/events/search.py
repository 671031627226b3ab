"""What can be found of a mission: its title, what people said and answered, and how runs ended.

Pure functions over plain rows, as `projection.py`. Text becomes words here, for every database
alike, so that they all find the same and none has to know a language.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from open_agent.core.ids import MissionId, UserId
from open_agent.core.text import cut_to_bytes
from open_agent.events.model.answer import AnswerGiven
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated, MissionRenamed
from open_agent.events.model.queue import MessageEdited, MessageRemoved
from open_agent.events.model.run import RunFinished
from open_agent.events.record import Record

Source = Literal["title", "message", "answer", "result"]

TEXT_BYTES = 32 * 1024
"""How much of a text can be found."""
QUERY_WORDS = 16
"""Words of a question that count."""
WORD_CHARACTERS = 64

# Scripts that are written without spaces: Thai, Lao, Burmese, Khmer, Chinese, Japanese.
_JOINED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(rf"[{_JOINED}]+|[^\W_{_JOINED}]+")
_is_joined = re.compile(rf"[{_JOINED}]").match


@dataclass(frozen=True, slots=True)
class TextRow:
    """A text that can be found."""

    mission_id: MissionId
    name: str
    """Which text of the mission it is; a later one of the same name takes its place."""
    seq: int
    """The record that says it."""
    owner_id: UserId
    words: str
    """Each once, with spaces between them."""


@dataclass(frozen=True, slots=True)
class TextGone:
    """A text that can be found no longer."""

    mission_id: MissionId
    name: str


TextChange = TextRow | TextGone

CHANGES_TEXTS = frozenset(
    (
        *("mission.created", "mission.renamed", "message.received", "message.edited"),
        *("message.removed", "answer.given", "run.finished"),
    )
)
"""The events that change what can be found; asked first, since nearly all do not."""


def project_text(owner: UserId, record: Record) -> TextChange | None:
    """What `record` changes in what can be found of a mission, which is the owner's."""
    event, mission_id = record.event, record.mission_id
    if event.type not in CHANGES_TEXTS:
        return None
    match event:
        case MissionCreated(title=str() as text) | MissionRenamed(title=text):
            name = "title"
        case MessageReceived(content=text) | MessageEdited(content=text):
            name = f"message:{event.message_id}"
        case MessageRemoved():
            return TextGone(mission_id, f"message:{event.message_id}")
        case AnswerGiven():
            name, text = f"answer:{event.call_id}", _said(event.answer)
        case RunFinished(result=text):
            name = f"result:{record.seq}"
        case _:
            return None
    words = " ".join(words_of(text))
    if not words:
        return TextGone(mission_id, name)
    return TextRow(mission_id, name, record.seq, owner, words)


def text_of(type_: str, body: Mapping[str, Any]) -> tuple[Source, str]:
    """Which text an event says, by its type and its stored fields."""
    match type_:
        case "mission.created" | "mission.renamed":
            return "title", str(body.get("title") or "")
        case "answer.given":
            return "answer", _said(body.get("answer"))
        case "run.finished":
            return "result", str(body.get("result", ""))
        case _:
            return "message", str(body.get("content", ""))


def words_of(text: str) -> list[str]:
    """The words of a text, each once, without case and accents.

    Where a script has no spaces, every two characters that stand together are a word.
    """
    found: dict[str, None] = {}
    for run in _RUN.findall(_plain(cut_to_bytes(text, TEXT_BYTES))):
        if _is_joined(run):
            found.update(dict.fromkeys(run[n : n + 2] for n in range(len(run))))
        else:
            found[run[:WORD_CHARACTERS]] = None
    return list(found)


def query_words(text: str) -> list[str]:
    """The beginnings of words that a text must have to be found by a question; none finds nothing."""
    found: dict[str, None] = {}
    for run in _RUN.findall(_plain(cut_to_bytes(text, 1024))):
        if _is_joined(run) and len(run) > 1:
            found.update(dict.fromkeys(run[n : n + 2] for n in range(len(run) - 1)))
        else:
            found[run[:WORD_CHARACTERS]] = None
    return list(found)[:QUERY_WORDS]


def is_found(words: str, wanted: Iterable[str]) -> bool:
    """Whether a text has words that begin with each of those wanted."""
    spaced = f" {words}"
    return all(f" {word}" in spaced for word in wanted)


def snippet(text: str, wanted: Iterable[str], around: int = 80) -> str:
    """The part of a text that answers a question, on one line."""
    text = cut_to_bytes(text, TEXT_BYTES)
    begins = (_place(text, word) for word in wanted)
    place = min((begin for begin in begins if begin is not None), default=0)
    begin = max(0, place - around)
    end = min(len(text), place + 2 * around)
    middle = " ".join(text[begin:end].split())
    return f"{'…' if begin else ''}{middle}{'…' if end < len(text) else ''}"


def _place(text: str, word: str) -> int | None:
    """Where in a text a word begins."""
    for run in _RUN.finditer(text) if text.isascii() else re.finditer(r"\S+", text):
        plain = _plain(run[0])
        if word in plain and (not text.isascii() or plain.startswith(word)):
            return min(run.start() + plain.find(word), run.end() - 1)
    return None


def _plain(text: str) -> str:
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join([c for c in decomposed if unicodedata.category(c)[0] != "M"])
    return text.casefold()


def _said(answer: Any) -> str:
    """The texts in an answer of any shape."""
    match answer:
        case str():
            return answer
        case dict():
            return "\n".join(_said(value) for value in answer.values())  # pyright: ignore[reportUnknownVariableType]
        case list():
            return "\n".join(_said(value) for value in answer)  # pyright: ignore[reportUnknownVariableType]
        case _:
            return ""
