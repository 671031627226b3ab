"""Asking for a password: twice on a terminal where nobody can read it, else from standard input."""

import sys

import typer

from open_agent.core.errors import Invalid


def ask_password(what: str = "Password") -> str:
    """What was typed.

    Raises:
        Invalid: There was nothing (`password.missing`).
    """
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True, confirmation_prompt=True, err=True))
    password = sys.stdin.readline().strip()
    if not password:
        raise Invalid("password.missing", "Type the password, or give it on standard input.")
    return password
