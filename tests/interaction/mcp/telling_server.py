"""A server that tells what it was configured with wherever it can: run as a program, over stdio."""

import json
import os
import sys
from typing import Any

TOKEN, PEM = os.environ["API_TOKEN"], os.environ["PEM"]
ALL = json.dumps(dict(os.environ)) + f"\n{TOKEN}\n{PEM}"
TOOLS = ["answer", "error", "long", "structured", "progress", "complaint", TOKEN]


def say(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def call(id_: Any, params: dict[str, Any]) -> None:
    name, result = params["name"], {"content": [{"type": "text", "text": ALL}]}
    match name:
        case "error":
            say(id=id_, error={"code": -32000, "message": ALL, "data": ALL})
        case "long":
            say(id=id_, result={"content": [{"type": "text", "text": "x" * 40_000 + ALL}]})
        case "structured":
            say(id=id_, result={"content": [], "structuredContent": {TOKEN: [PEM]}})
        case "progress":
            token = params["_meta"]["progressToken"]
            told = {"progressToken": token, "progress": 1, "message": f"at {TOKEN}"}
            say(method="notifications/progress", params=told)
            say(id=id_, result=result)
        case "complaint":
            sys.stderr.write(ALL)
            sys.stderr.flush()
            sys.exit(1)
        case _:
            say(id=id_, result={**result, "isError": True})


def answer(method: str) -> dict[str, Any]:
    match method:
        case "initialize":
            capabilities: dict[str, Any] = {"tools": {}, "resources": {}, "prompts": {}}
            info = {"name": "telling", "version": TOKEN}
            version = "2025-06-18"
            return {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}
        case "tools/list":
            schema = {"type": "object", "properties": {TOKEN: {"description": ALL}}}
            return {
                "tools": [{"name": n, "description": ALL, "inputSchema": schema} for n in TOOLS]
            }
        case "resources/list":
            return {"resources": [{"uri": f"x://{TOKEN}", "name": ALL}]}
        case "resources/templates/list":
            return {"resourceTemplates": [{"uriTemplate": f"x://{TOKEN}", "name": ALL}]}
        case "prompts/list":
            return {"prompts": [{"name": "prompt", "description": ALL}]}
        case "prompts/get":
            return {"messages": [{"role": "user", "content": {"type": "text", "text": ALL}}]}
        case _:
            return {}


for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "tools/call":
        call(message["id"], message["params"])
    elif "id" in message:
        say(id=message["id"], result=answer(message["method"]))
