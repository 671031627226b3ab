"""What a session asks before it goes on, answered: by the rules, by a person, or by the default.

What waits is OpenCode's to know, and what was asked and answered the log's; between two takings-up
nothing is kept. The first answer counts, and covers the whole call.
"""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from open_agent.agent.consent import REFUSED, UNANSWERED, question_of
from open_agent.agent.context import RunContext
from open_agent.agent.policy import FORBIDDEN
from open_agent.backends.opencode.protocol.client import OpenCodeClient
from open_agent.backends.opencode.protocol.errors import OpenCodeRefused
from open_agent.backends.opencode.protocol.wire import PermissionAsk, QuestionAsk, QuestionItem
from open_agent.backends.opencode.session.facts import Call
from open_agent.backends.opencode.session.permissions import judge, only_we_ask
from open_agent.core.ids import CallId
from open_agent.events.active_run import Question
from open_agent.events.model.answer import AnswerDefaulted
from open_agent.events.model.model_call import RequestedCall

NOBODY = "Nobody answered in time. Decide what is reasonable, go on, and say in the end what you assumed."
NONE_OF_THESE = "The user chose none of these."
Ask = PermissionAsk | QuestionAsk


class Asks:
    """Asks of one session and its subagents' sessions, that wait for a reply.

    Args:
        ctx: Whose run it is.
        directory: Of the session.
        is_permissive: What no rule forbids or asks about is allowed.
        is_managed: Nobody but us has configured this OpenCode.
    """

    def __init__(
        self, ctx: RunContext, directory: str, *, is_permissive: bool, is_managed: bool
    ) -> None:
        self._ctx = ctx
        self._directory = directory
        self._is_permissive = is_permissive
        self._is_managed = is_managed
        self._waiting: dict[str, tuple[Ask, Call]] = {}
        self.since: datetime | None = None
        """Since when something waits for a person."""

    @property
    def calls(self) -> set[CallId]:
        """The calls that wait for a person."""
        return {call.id for _, call in self._waiting.values()}

    @property
    def until(self) -> datetime | None:
        """When the first default is taken."""
        found = (self._ctx.run.questions.get(call_id) for call_id in self.calls)
        return min((question.until for question in found if question), default=None)

    def forget(self, request_id: str) -> None:
        """It waits no more: somebody replied, here or in OpenCode itself."""
        self._waiting.pop(request_id, None)
        self.since = self.since if self._waiting else None

    async def hear(self, client: OpenCodeClient, ask: Ask, call: Call) -> None:
        """Something is asked about a call that is on the log: reply at once, or ask a person."""
        if isinstance(ask, QuestionAsk):
            await self._ask_person(client, ask, call, _shown(ask.questions), "")
            return
        arguments = call.part.state.input if call.part else ask.metadata
        verdict = judge(
            self._ctx.shared.policy, call.part.tool if call.part else call.name, arguments
        )
        if verdict.action == "deny":
            message = FORBIDDEN.format(rule=verdict.rule)
            await self._permit(client, ask, is_allowed=False, message=message)
        elif verdict.action == "ask" or not (verdict.rule or self._is_allowed(ask)):
            reason = str(verdict.rule) if verdict.rule else f"OpenCode asks: {ask.permission}"
            await self._ask_person(client, ask, call, arguments, reason)
        else:
            await self._permit(client, ask, is_allowed=True)

    async def hear_stray(self, client: OpenCodeClient, ask: Ask) -> None:
        """Something is asked that no call asks: there is nothing to show a person."""
        if isinstance(ask, PermissionAsk):
            await self._permit(client, ask, is_allowed=self._is_permissive, message=UNANSWERED)
            return
        with contextlib.suppress(OpenCodeRefused):
            answers = [[NOBODY] for _ in ask.questions]
            await client.reply_question(ask.id, answers, self._directory)

    async def settle(self, client: OpenCodeClient) -> None:
        """Pass on what people answered, and the defaults of what nobody did."""
        for ask, call in list(self._waiting.values()):
            question = self._ctx.run.questions.get(call.id)
            if question is None:
                continue
            if not question.is_settled and self._ctx.now >= question.until:
                await self._ctx.append(
                    AnswerDefaulted(call_id=call.id, decided_on=self._ctx.state.seq)
                )
                question = self._ctx.run.questions.get(call.id)
            if question is not None and question.is_settled:
                await self._reply(client, ask, question)

    def _is_allowed(self, ask: PermissionAsk) -> bool:
        """Of what no rule is about: whether OpenCode would have gone on without asking."""
        if self._is_permissive:
            return True
        policy = self._ctx.shared.policy
        return self._is_managed and only_we_ask(policy, ask.permission, ask.patterns)

    async def _ask_person(
        self,
        client: OpenCodeClient,
        ask: Ask,
        call: Call,
        arguments: Mapping[str, Any],
        reason: str,
    ) -> None:
        known = self._ctx.run.questions.get(call.id)
        if known is not None and known.is_settled:
            await self._reply(client, ask, known)
            return
        self._waiting[ask.id] = (ask, call)
        self.since = self.since or self._ctx.now
        if known is None:
            kind = "approval" if isinstance(ask, PermissionAsk) else "input"
            wanted = RequestedCall(call_id=call.id, name=call.name, arguments="{}")
            await self._ctx.append(question_of(self._ctx, wanted, kind, arguments, reason))

    async def _reply(self, client: OpenCodeClient, ask: Ask, question: Question) -> None:
        if isinstance(ask, PermissionAsk):
            refusal = UNANSWERED if question.is_defaulted else REFUSED
            is_allowed = question.answer == "allow"
            await self._permit(client, ask, is_allowed=is_allowed, message=refusal)
            return
        answers = _answers(ask.questions, question)
        with contextlib.suppress(OpenCodeRefused):  # it waits no more, as its call will show
            await client.reply_question(ask.id, answers, self._directory)
        self.forget(ask.id)

    async def _permit(
        self, client: OpenCodeClient, ask: PermissionAsk, *, is_allowed: bool, message: str = ""
    ) -> None:
        # A bare reject would end the work; with a message the model goes on without.
        reply = "once" if is_allowed else "reject"
        with contextlib.suppress(OpenCodeRefused):
            said = None if is_allowed else message
            await client.reply_permission(ask.id, reply, said, self._directory)
        self.forget(ask.id)


def _shown(questions: Sequence[QuestionItem]) -> dict[str, Any]:
    """Questions in the shape of a list of options, which every client can show and answer."""
    if len(questions) == 1 and not questions[0].options:
        return {"title": questions[0].question}
    is_one = len(questions) == 1
    options: list[dict[str, Any]] = []
    for number, item in enumerate(questions, 1):
        for choice in item.options:
            label = choice.label if is_one else f"{item.header or item.question}: {choice.label}"
            shown = {"id": _id(number, choice.label, is_one=is_one), "label": label}
            options.append(
                shown | ({"description": choice.description} if choice.description else {})
            )
    is_single = is_one and not questions[0].multiple
    bounds: dict[str, Any] = {} if is_single else {"minSelections": 0 if not is_one else 1}
    return {
        "title": " / ".join(item.question for item in questions),
        "options": options,
        "selectionMode": "single" if is_single else "multi",
        **bounds,
    }


def _id(number: int, label: str, *, is_one: bool) -> str:
    return label if is_one else f"{number}. {label}"


def _answers(questions: Sequence[QuestionItem], question: Question) -> list[list[str]]:
    """For each question what was chosen, or words that say why nothing was."""
    if question.is_defaulted:
        return [[NOBODY] for _ in questions]
    answer: Any = question.answer
    chosen = [str(each) for each in cast("list[Any]", answer)] if isinstance(answer, list) else []
    if isinstance(answer, str | int | float):
        chosen = [str(answer)]
    if len(questions) == 1:
        return [chosen or [NONE_OF_THESE]]
    found: list[list[str]] = []
    for number, item in enumerate(questions, 1):
        ids = {_id(number, choice.label, is_one=False): choice.label for choice in item.options}
        mine = [ids[each] for each in chosen if each in ids]
        found.append((mine if item.multiple else mine[:1]) or [NONE_OF_THESE])
    return found
