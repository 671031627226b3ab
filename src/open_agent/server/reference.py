"""An OpenAPI document as one page of HTML. Everything in it is escaped; there is no script."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Json = Mapping[str, Any]

UNSAID = "Successful Response"
"""What the framework says of a reply of which we say nothing."""

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --mark: #2a7ae2; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; } h3 { font-size: 1rem; }
code { font: 0.9em ui-monospace, monospace; }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.5rem 0; }
summary { padding: 0.5rem 0.75rem; cursor: pointer; }
details > div { scroll-margin-top: 4rem; padding: 0 0.75rem 0.75rem; border-top: 1px solid var(--line); }
.method { font-weight: 700; color: var(--mark); display: inline-block; min-width: 3.5rem; }
.about { opacity: 0.75; margin-left: 0.5rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; }
tr + tr td { border-top: 1px solid var(--soft); }
a { color: var(--mark); }
"""


def write_page(document: Json) -> str:
    """The page of a whole document."""
    info = document["info"]
    schemas: Json = document.get("components", {}).get("schemas", {})
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        f"<title>{escape(info['title'])}</title><link rel=stylesheet href=/docs/style.css>",
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        f"<p>{_text(info.get('description'))}</p>",
        '<p>As a document for programs: <a href="/openapi.json">openapi.json</a></p>',
        *_routes(document),
        "<h2>Values</h2>",
        *(_schema(name, schema) for name, schema in sorted(schemas.items())),
        "</html>",
    ]
    return "\n".join(parts)


def _routes(document: Json) -> Iterator[str]:
    by_tag: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            tag = operation.get("tags", ["other"])[0]
            by_tag.setdefault(tag, []).append(_route(path, method, operation))
    for tag, routes in by_tag.items():
        yield f"<h2>{escape(tag.capitalize())}</h2>"
        yield from routes


def _route(path: str, method: str, operation: Json) -> str:
    about, _, rest = str(operation.get("description", "")).partition("\n\n")
    rows = [
        _row(parameter["name"], parameter["in"], parameter)
        for parameter in operation.get("parameters", [])
    ]
    body = operation.get("requestBody")
    if body is not None:
        rows.append(_row("body", "body", {"schema": _content_schema(body)}))
    replies = [
        _row(status, "reply", {**_said(reply), "schema": _content_schema(reply)})
        for status, reply in sorted(operation["responses"].items())
    ]
    return (
        f"<details><summary><span class=method>{escape(method.upper())}</span> "
        f"<code>{escape(path)}</code><span class=about>{_text(about)}</span></summary><div>"
        f"<p>{_text(rest)}</p><table>{''.join(rows + replies)}</table></div></details>"
    )


def _row(name: str, place: str, thing: Json) -> str:
    schema: Json = thing.get("schema") or {}
    return (
        f"<tr><td><code>{escape(name)}</code><td>{escape(place)}<td>{_type(schema)}"
        f"<td>{_text(thing.get('description') or schema.get('description'))}"
    )


def _said(reply: Json) -> Json:
    """A reply without the description that the framework makes up."""
    return {**reply, "description": reply["description"].removeprefix(UNSAID)}


def _content_schema(thing: Json) -> Json:
    for content in thing.get("content", {}).values():
        return content.get("schema") or content.get("itemSchema", {})
    return {}


def _schema(name: str, schema: Json) -> str:
    required = schema.get("required", [])
    rows = [
        _row(field, "required" if field in required else "", {"schema": value})
        for field, value in schema.get("properties", {}).items()
    ]
    kind = f"<p>{_type(schema)}</p>" if "enum" in schema else ""
    return (
        f"<details><summary><code>{escape(name)}</code></summary>"
        f"<div id={escape(name, quote=True)}><p>{_text(schema.get('description'))}</p>{kind}<table>{''.join(rows)}</table>"
        "</div></details>"
    )


def _type(schema: Json) -> str:
    """A type in a few words, with a link to every value that has a name."""
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).rpartition("/")[2], quote=True)
        return f"<a href=#{name}>{name}</a>"
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(_type(option) for option in options)
    if "contentSchema" in schema.get("properties", {}).get("data", {}):
        return _streamed(schema["properties"])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " ".join(f"<code>{escape(str(value))}</code>" for value in values)
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("format") or schema.get("type", "")))


def _streamed(event: Json) -> str:
    """A server-sent event: its name and what its data is."""
    name = event["event"].get("const", "type of the event")
    return f"<code>{escape(name)}</code> {_type(event['data']['contentSchema'])}"


def _text(text: object) -> str:
    """Text with what stands between backticks as code."""
    pieces = escape(str(text or "")).split("`")
    return "".join(
        f"<code>{piece}</code>" if place % 2 else piece.replace("\n\n", "<br>")
        for place, piece in enumerate(pieces)
    )
