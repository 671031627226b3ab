"""A program of its own: HTML on its input, what is in it as Markdown on its output.

Its argument is the URL of the page.

Not in the server, for parsing strangers' HTML takes up to five seconds and 400 MB for a megabyte,
holds the interpreter for 150 ms at a time, and cannot be stopped in a thread. As a program it
costs 0.2 s to start, has limits, can be ended, and gives its memory back.
"""

import json
import re
import resource
import sys
from typing import Any

import trafilatura

CPU_SECONDS = 15
MEMORY = 2 << 30
SHORT = 500
"""Characters below which what was taken for the main text is compared with all the text."""


def extract(html: bytes, url: str) -> dict[str, str] | None:
    """The title and the text of a page; nothing if there is no HTML in it."""
    # lxml has no types.
    tree: Any = trafilatura.load_html(html)
    if tree is None:
        return None
    found = tree.find(".//title")
    title = "" if found is None else " ".join(found.text_content().split())
    tree.make_links_absolute(url, handle_failures="ignore")
    text = _main_text(tree)
    everything = len(trafilatura.html2txt(tree))
    links = [link for link in tree.iter("a") if link.get("href", "").startswith("http")]
    is_most_missing = len(text) < min(SHORT, everything // 4)
    # So it is for lists of links: the text is there, and where they lead is not.
    are_links_missing = len(links) > 10 and len(text) > 0.8 * everything and "](http" not in text
    if is_most_missing or are_links_missing:
        text = _everything(tree, links) or text
    return {"title": title, "text": text}


def _main_text(tree: Any) -> str:
    found = trafilatura.extract(
        tree,
        output_format="markdown",
        include_links=True,
        include_formatting=True,
        include_tables=True,
        include_comments=False,
        favor_recall=True,
    )
    return found or ""


def _everything(tree: Any, links: list[Any]) -> str:
    """All text, with the links, of which each ends its line."""
    for link in links:
        link.tail = f" <{link.get('href')}> {link.tail or ''}"
    return re.sub(r"(<http\S+>) ", r"\1\n", trafilatura.html2txt(tree))


def main() -> None:
    """Read, extract, write."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    json.dump(extract(sys.stdin.buffer.read(), sys.argv[1]), sys.stdout)


if __name__ == "__main__":
    main()
