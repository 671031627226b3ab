"""The settings of the OpenCode backend: where it is or that we start it, and what it may do."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from open_agent.settings.types import Count, Program, Seconds, WebAddress, setting

_WHOLE = "a whole number above 0"
_TRUTH = "true or false"

BackendName = Literal["native", "opencode"]


class OpenCodeSettings(BaseSettings):
    """Who carries runs out, and the OpenCode server that may."""

    agent_backend: BackendName | None = setting(
        None,
        "Who carries out runs that name nobody: our own loop (`native`), or `opencode`. By default"
        " `opencode` where one is set up, else `native`.",
        "native or opencode",
    )
    opencode_base_url: WebAddress | None = setting(
        None,
        "An OpenCode server (version 1.x) to hand runs to.",
        "an http or https address without a path, such as http://127.0.0.1:4096",
    )
    opencode_server_password: SecretStr | None = setting(
        None,
        "The password that the OpenCode server at `OPENCODE_BASE_URL` was started with.",
        "the value of OPENCODE_SERVER_PASSWORD there",
    )
    opencode_allow_unauthenticated: bool = setting(
        False,
        "Whether to hand runs to an OpenCode on another machine that asks for no password, or to"
        " one that does not look at the password set here.",
        _TRUTH,
    )
    opencode_managed: bool = setting(
        False,
        "Whether to start, watch and end an OpenCode server of our own, on this machine.",
        _TRUTH,
    )
    opencode_program: Program | None = setting(
        None,
        "The OpenCode program that `OPENCODE_MANAGED` starts; by default `opencode` on the PATH.",
        "the path of a program, such as /usr/local/bin/opencode",
    )
    opencode_agent: str | None = setting(
        None,
        "The agent of OpenCode that does the work; by default its own choice, `build`.",
        "build, plan, or an agent that OpenCode is configured with",
    )
    opencode_permissive: bool = setting(
        True,
        "Whether OpenCode may do everything without asking; otherwise what it asks about is asked"
        " here.",
        _TRUTH,
    )
    opencode_start_seconds: Count = setting(
        60, "Seconds that an OpenCode server of our own has to start.", _WHOLE
    )
    opencode_idle_seconds: Seconds = setting(
        900,
        "Seconds without a run after which an OpenCode server of our own is ended until the next"
        " one; 0 keeps it.",
        "a whole number, 0 or above",
    )
    opencode_silence_seconds: Count = setting(
        360, "Seconds without any event of a run after which OpenCode is taken to hang.", _WHOLE
    )

    @property
    def has_opencode(self) -> bool:
        """Whether there is an OpenCode to hand runs to."""
        return self.opencode_managed or self.opencode_base_url is not None

    @property
    def backend(self) -> BackendName:
        """Who carries out runs that name nobody."""
        return self.agent_backend or ("opencode" if self.has_opencode else "native")

    def opencode_problems(self) -> list[str]:
        """What does not go together."""
        problems: list[str] = []
        url = self.opencode_base_url
        if self.opencode_managed and url is not None:
            problems.append(
                f"OPENCODE_MANAGED starts an OpenCode of our own, and OPENCODE_BASE_URL={url} names"
                " another. Right would be one of the two."
            )
        if self.agent_backend == "opencode" and not self.has_opencode:
            problems.append(
                "AGENT_BACKEND=opencode, and there is no OpenCode. Right would be:"
                " OPENCODE_MANAGED=true, or OPENCODE_BASE_URL with the address of one."
            )
        if self.opencode_program is not None and not self.opencode_managed:
            problems.append(
                f"OPENCODE_PROGRAM={self.opencode_program} is only started with"
                " OPENCODE_MANAGED=true. Right would be both, or neither."
            )
        if url is not None and "@" in urlsplit(url).netloc:
            problems.append(
                "OPENCODE_BASE_URL holds a password. Right would be: the address alone, and the"
                " password in OPENCODE_SERVER_PASSWORD."
            )
        return problems
