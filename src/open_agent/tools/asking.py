"""What people answer to calls that ask: whether it fits the call, and how the model is told."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from open_agent.core.errors import Invalid
from open_agent.tools.definition import ToolContext, ToolFailed

LARGEST_ANSWER = 32_000
"""Bytes, as JSON."""

NOBODY = (
    "Nobody answered in time, so the default was taken: {value}. Decide what is reasonable, go on, "
    "and say in the end what you assumed."
)


def told(ctx: ToolContext) -> str:
    """The answer to the call, as the model is shown it."""
    if ctx.answer is None:
        raise ToolFailed("Nobody can be asked here. Decide what is reasonable.")
    value = json.dumps(ctx.answer.value, ensure_ascii=False)
    return NOBODY.format(value=value) if ctx.answer.is_default else value


def check_answer(arguments: Mapping[str, Any], answer: Any) -> None:
    """Refuse an answer that does not fit what the call asks.

    Args:
        arguments: Of the call, as `answer.requested` has them.
        answer: What somebody answered, as JSON; none clears the question.

    Raises:
        Invalid: It does not fit (`answer.invalid`); the message says what would.
    """
    if len(json.dumps(answer).encode()) > LARGEST_ANSWER:
        raise _invalid(f"It is longer than {LARGEST_ANSWER:,} bytes. Send less.")
    if answer is None:
        return
    if isinstance(options := arguments.get("options"), list):
        _check_choice(arguments, _ids(cast("list[Any]", options)), answer)
    elif isinstance(rows := arguments.get("rows"), list):
        chosen: list[Any] = cast("list[Any]", answer) if isinstance(answer, list) else [answer]
        _check_known(chosen, _ids(cast("list[Any]", rows)))


def check_approval(answer: Any) -> None:
    """Refuse what is no answer to whether a call may be made.

    Raises:
        Invalid: It is neither `allow` nor `deny` (`answer.invalid`).
    """
    if answer not in ("allow", "deny"):
        raise _invalid("Answer `allow` or `deny`.")


def _check_choice(arguments: Mapping[str, Any], ids: Sequence[Any], answer: Any) -> None:
    if arguments.get("selectionMode") == "single":
        if isinstance(answer, list):
            raise _invalid("One option is to be chosen: send its id, or null for none.")
        _check_known([answer], ids)
        return
    if not isinstance(answer, list):
        raise _invalid("Several options may be chosen: send an array of their ids, or null.")
    chosen = cast("list[Any]", answer)
    _check_known(chosen, ids)
    least, most = arguments.get("minSelections", 1), arguments.get("maxSelections", len(ids))
    if not least <= len(chosen) <= most:
        raise _invalid(f"{len(chosen)} are chosen; {least} to {most} are asked for.")


def _check_known(chosen: Sequence[Any], ids: Sequence[Any]) -> None:
    for place, choice in enumerate(chosen):
        if isinstance(choice, bool) or not isinstance(choice, str | int | float):
            raise _invalid("An id is a text or a number.")
        if choice in chosen[:place]:
            raise _invalid(f"{str(choice)[:80]!r} is chosen twice.")
        if ids and choice not in ids:
            known = ", ".join(str(item)[:80] for item in ids[:20])
            raise _invalid(f"There is no {str(choice)[:80]!r} to choose. There is: {known}.")


def _ids(items: Sequence[Any]) -> list[Any]:
    """What may be chosen; nothing is said of things without an id."""
    found: list[Any] = []
    for item in items:
        thing = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
        if thing.get("id") is not None and not thing.get("disabled"):
            found.append(thing["id"])
    return found


def _invalid(text: str) -> Invalid:
    return Invalid("answer.invalid", f"The answer does not fit the question. {text}")
