"""What a process may know of the server's environment: a list of names, never everything else."""

from collections.abc import Mapping

ALLOWED = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
        "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    }
)  # fmt: skip

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


def process_environment(base: Mapping[str, str]) -> dict[str, str]:
    """The environment of processes, from what `base` has of the allowed names."""
    allowed = {
        name: value for name, value in base.items() if name in ALLOWED or name.startswith("LC_")
    }
    return {**DEFAULTS, **allowed, **QUIET}
