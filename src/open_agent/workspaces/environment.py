"""The environment of processes: what they are given, and what tells programs to be quiet.

Which variables of the server's own may pass is decided once, in `settings/settings.py`.
"""

from collections.abc import Mapping

QUIET = {
    # There is no terminal and nobody to answer.
    "TERM": "dumb",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    # Vim would wait for ever for keys from the pipe that takes its messages.
    "EDITOR": "true",
    "VISUAL": "true",
    "GIT_EDITOR": "true",
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "npm_config_yes": "true",
    "npm_config_update_notifier": "false",
    "PYTHONUNBUFFERED": "1",
}
"""Tells programs to ask nothing and to page nothing."""

DEFAULTS = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}


def process_environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of processes that may know what `given` says, and nothing else."""
    return {**DEFAULTS, **given, **QUIET}
