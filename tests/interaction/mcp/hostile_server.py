"""Servers that do everything wrong: run as a program, with what is wrong as its argument.

Written on the bare protocol, since no library would let one do this.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any

KIND = sys.argv[1]
has_changed: list[bool] = []
OBJECT: dict[str, Any] = {"type": "object", "properties": {}}


def say(value: Any) -> None:
    sys.stdout.write(value if isinstance(value, str) else json.dumps(value) + "\n")
    sys.stdout.flush()


def answer(id_: Any, result: Any) -> None:
    say({"jsonrpc": "2.0", "id": id_, "result": result})


def text(said: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": said}]}


def note(method: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method}


def tools() -> list[dict[str, Any]]:
    names = ["good", "bad"]
    if KIND == "changes" and has_changed:
        names.append("new")
    if KIND == "twice":
        names += ["bad", "good"]
    if KIND == "schemas":
        return [
            {"name": "good", "inputSchema": OBJECT},
            {"name": "text", "inputSchema": {"type": "string"}},
            {"name": "outside", "inputSchema": {**OBJECT, "$ref": "https://example.com/x"}},
            {"name": "huge", "inputSchema": {**OBJECT, "description": "x" * 100_000}},
            {"name": "a" * 300, "inputSchema": OBJECT},
            {"name": "odd name!", "inputSchema": OBJECT, "description": "\x1b[31mred\x1b[0m"},
        ]
    return [{"name": name, "description": name, "inputSchema": OBJECT} for name in names]


def list_tools(id_: Any, params: dict[str, Any]) -> None:
    if KIND == "endless":
        number = int(params.get("cursor") or 0)
        named = [{"name": f"tool{number}", "inputSchema": OBJECT}]
        answer(id_, {"tools": named, "nextCursor": str(number + 1)})
    elif KIND == "same_page":
        answer(id_, {"tools": tools(), "nextCursor": "again"})
    elif KIND == "paged":
        place = int(params.get("cursor") or 0)
        page: dict[str, Any] = {"tools": tools()[place : place + 1]}
        answer(id_, page | ({"nextCursor": "1"} if place == 0 else {}))
    elif KIND == "list_hangs":
        time.sleep(3600)  # deliberate: it hangs
    else:
        answer(id_, {"tools": tools()})


def call(id_: Any, name: str) -> None:  # noqa: C901 - a case for each way of being wrong
    if name == "good":
        answer(id_, text("good"))
        return
    match KIND:
        case "dies":
            subprocess.Popen(["sleep", "86321"])
            os._exit(7)
        case "hangs":
            time.sleep(3600)  # deliberate: it hangs
        case "deaf":
            os.close(0)
            time.sleep(3600)  # deliberate: it hangs
        case "garbage":
            while True:
                say("this is no JSON at all\n")
        case "some_garbage":
            say("Starting up...\n\n{\n[1, 2\n")
            answer(id_, text("after the noise"))
        case "long_line":
            answer(id_, text("x" * 10_000_000))
        case "long_garbage":
            say("y" * 10_000_000 + "\n")
        case "no_line_end":
            while True:
                sys.stdout.write("z" * 1_000_000)
        case "flood":
            while True:
                say(note("notifications/resources/list_changed"))
        case "flood_of_answers":
            while True:
                answer(987654, text("nobody asked"))
        case "pings":
            number = 0
            while True:
                number += 1
                say({"jsonrpc": "2.0", "id": f"p{number}", "method": "ping"})
        case "wrong_id":
            answer(987654, text("for somebody else"))
            answer(str(id_) + "0", text("for somebody else"))
        case "wrong_shape":
            answer(id_, {"content": "not a list"})
        case "surrogate":
            answer(id_, text("\ud800"))
        case "no_json":
            say(f'{{"jsonrpc": "2.0", "id": {id_}, "result": {{"content": [}}}}\n')
        case "no_result":
            say({"jsonrpc": "2.0", "id": id_, "result": None})
        case "deep":
            depth = 50_000
            say(f'{{"jsonrpc":"2.0","id":{id_},"result":{"[" * depth}{"]" * depth}}}\n')
        case "stderr":
            for _ in range(2_000):
                sys.stderr.write("complaint " * 100 + "\n")
            answer(id_, text("complained"))
        case "changes":
            has_changed.append(True)
            answer(id_, text("changed"))
            say(note("notifications/tools/list_changed"))
        case "refuses":
            error = {"code": -32000, "message": "not today"}
            say({"jsonrpc": "2.0", "id": id_, "error": error})
        case _:
            answer(id_, text("bad"))


def main() -> None:  # noqa: C901 - the whole of a server
    if KIND == "never_starts":
        time.sleep(3600)  # deliberate: it hangs
    if KIND == "exits":
        sys.stderr.write("I need a license\n")
        sys.exit(4)
    if KIND == "slow_start":
        time.sleep(1.5)  # deliberate: it is slow
    for line in sys.stdin:
        message = json.loads(line)
        id_, method = message.get("id"), message["method"]
        params: dict[str, Any] = message.get("params") or {}
        if method == "initialize":
            capabilities: dict[str, Any] = {"tools": {"listChanged": True}}
            info = {"name": KIND, "version": "0"}
            version = "1999-01-01" if KIND == "old" else "2025-06-18"
            answer(
                id_,
                {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info},
            )
        elif method == "tools/list":
            list_tools(id_, params)
        elif method == "tools/call":
            call(id_, params["name"])
        elif method == "ping":
            if KIND != "no_pong":
                answer(id_, {})
        elif id_ is not None:
            error = {"code": -32601, "message": "Method not found"}
            say({"jsonrpc": "2.0", "id": id_, "error": error})


main()
