"""What a model call costs this process, beside the raw HTTP floor and the `openai` SDK.

Run with `python -m bench.model_client`. A scripted model in another process answers every request
with 32 chunks and one tool call; CPU time is this process's own, the median of many turns. Per
chunk: a reply of 2,000 chunks that come one by one, as they do from a provider, less a reply of
none. Our figure holds everything from the encoded conversation to the complete reply; the floor
sends the same bytes and looks at nothing that comes back.
"""

import argparse
import asyncio
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import openai
import pydantic_core

from open_agent.core.clock import SystemClock
from open_agent.core.ids import CallId, MissionId, RunId
from open_agent.events.codec import make_record
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.model_call import ModelAnswered, RequestedCall
from open_agent.events.model.run import RunStarted
from open_agent.events.model.tool import ToolReturned
from open_agent.models.client import ModelClient
from open_agent.models.encoding import Conversation

MODEL = "test/model"
LENGTHS = (20, 400, 2_000)
LONG_CHUNKS = 2_000
TEXT = "x" * 16
TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": f"tool_{number}",
            "description": "Does something with a path. " * 8,
            "parameters": {
                "type": "object",
                "properties": {"path": {"type": "string", "description": "Which. " * 8}},
                "required": ["path"],
            },
        },
    }
    for number in range(14)
]

Ask = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to ask, made ready for a conversation."""

    name: str
    ask: Callable[[Conversation], Ask]


def conversation_of(messages: int) -> Conversation:
    """A history of that many messages: a task, then steps of one call with 1 KB of result."""
    conversation = Conversation(TOOLS)
    conversation.set_system("You are a careful agent. " * 80)
    conversation.apply(_record(1, _event(MessageReceived, message_id="m", content="Do it.")))
    started = {"message_ids": ["m"], "backend": "native", "model": MODEL}
    conversation.apply(_record(2, _event(RunStarted, **started)))
    for step in range((messages - 2) // 2):
        call = RequestedCall(call_id=CallId(f"c{step}"), name="tool_1", arguments='{"path":"a"}')
        conversation.apply(_record(3 + 2 * step, _answer(step, call)))
        returned = _event(
            ToolReturned, call_id=call.call_id, name="tool_1", outcome="ok", content="y" * 1000
        )
        conversation.apply(_record(4 + 2 * step, returned))
    return conversation


def _answer(step: int, call: RequestedCall) -> ModelAnswered:
    return _event(
        ModelAnswered,
        step=step,
        model=MODEL,
        text="I look at it. " * 6,
        tool_calls=[call],
        finish_reason="tool_calls",
    )


def _event(kind: type[Any], **fields: Any) -> Any:
    return kind.model_construct(**fields)


def _record(seq: int, event: Any) -> Any:
    return make_record(seq, seq, SystemClock().now(), MissionId("m"), RunId("r"), event)


def peers(base_url: str) -> list[Peer]:
    """Everything that is measured."""
    return [
        Peer("raw httpx2", _raw(base_url)),
        Peer("open-agent", _ours(base_url)),
        Peer("openai sdk", _sdk(base_url)),
    ]


def _raw(base_url: str) -> Callable[[Conversation], Ask]:
    client = httpx2.AsyncClient(trust_env=False, timeout=60)
    url, headers = f"{base_url}/chat/completions", {"content-type": "application/json"}

    def make(conversation: Conversation) -> Ask:
        body = conversation.encode_request(MODEL, 1000).body

        async def ask() -> None:
            async with client.stream("POST", url, content=body, headers=headers) as response:
                async for _ in response.aiter_bytes():
                    pass

        return ask

    return make


def _ours(base_url: str) -> Callable[[Conversation], Ask]:
    client = ModelClient(base_url, None, SystemClock())

    def make(conversation: Conversation) -> Ask:
        async def ask() -> None:
            request = conversation.encode_request(MODEL, 1000)
            await client.complete(request, lambda kind, piece: None)

        return ask

    return make


def _sdk(base_url: str) -> Callable[[Conversation], Ask]:
    client = openai.AsyncOpenAI(base_url=base_url, api_key="none")

    def make(conversation: Conversation) -> Ask:
        body = pydantic_core.from_json(conversation.encode_request(MODEL, 1000).body)

        async def ask() -> None:
            await _assemble(await client.chat.completions.create(**body, max_tokens=1000))

        return ask

    return make


async def _assemble(chunks: Any) -> None:
    """What every user of the SDK writes."""
    text, arguments = "", ""
    async for chunk in chunks:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or ():
                arguments += call.function.arguments or ""


async def per_turn(ask: Ask, turns: int) -> float:
    """Milliseconds of CPU of one turn, the median."""
    for _ in range(3):
        await ask()
    spent: list[float] = []
    for _ in range(turns):
        before = time.process_time()
        await ask()
        spent.append(time.process_time() - before)
    return statistics.median(spent) * 1e3


async def measure(base_urls: dict[str, str], turns: int) -> dict[str, dict[str, float]]:
    """All figures by peer."""
    figures: dict[str, dict[str, float]] = {}
    for peer in peers(base_urls["turn"]):
        row = figures.setdefault(peer.name, {})
        for length in LENGTHS:
            count = turns if peer.name != "openai sdk" else max(5, turns // 10)
            row[f"turn_ms_{length}"] = await per_turn(peer.ask(conversation_of(length)), count)
    for shape in ("paced", "at_once"):
        for peer, bare in zip(peers(base_urls[shape]), peers(base_urls["bare"]), strict=True):
            small = conversation_of(2)
            long = await per_turn(peer.ask(small), 3)
            rest = await per_turn(bare.ask(small), 10)
            figures[peer.name][f"chunk_us_{shape}"] = (long - rest) * 1e3 / LONG_CHUNKS
    return figures


SCRIPTS: dict[str, dict[str, Any]] = {
    "turn": {"text": TEXT * 26, "calls": [{"name": "tool_1", "arguments": {"path": "a"}}]},
    "bare": {"text": ""},
    "paced": {"text": TEXT * LONG_CHUNKS, "style": {"delay": 0.0005}},
    "at_once": {"text": TEXT * LONG_CHUNKS},
}


@contextmanager
def scripted(name: str, folder: Path) -> Generator[str]:
    """A scripted model in a process of its own; its `base_url`."""
    file = folder / f"{name}.json"
    file.write_text(json.dumps({"then": SCRIPTS[name]}))
    command = [sys.executable, "-m", "open_agent.scripted", "--script", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["base_url"]
        finally:
            process.terminate()


def show(figures: dict[str, dict[str, float]]) -> str:
    """The figures as a table."""
    columns = list(next(iter(figures.values())))
    lines = [f"{'CPU of':<12}" + "".join(f"{name:>18}" for name in columns)]
    for peer, row in figures.items():
        lines.append(f"{peer:<12}" + "".join(f"{row[name]:>18.2f}" for name in columns))
    return "\n".join(lines)


def main() -> None:
    """Measure, and print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        urls = {name: servers.enter_context(scripted(name, Path(folder))) for name in SCRIPTS}
        figures = asyncio.run(measure(urls, options.turns))
    print(show(figures))
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    print(json.dumps({"at": SystemClock().now().isoformat(), **machine, "figures": figures}))


if __name__ == "__main__":
    main()
