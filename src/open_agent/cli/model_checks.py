"""What `doctor` finds out about the model: a key, an endpoint that answers, a name it knows."""

from typing import Any, cast

import httpx2
import pydantic_core

from open_agent.cli.checks import Finding
from open_agent.cli.rendering.neutral import neutral
from open_agent.models.endpoint import is_private_endpoint
from open_agent.settings.models import DEMO_MODEL
from open_agent.settings.settings import Settings

SECONDS = 8.0
KEY_FIX = "Put OPENROUTER_API_KEY=… into {env}; keys are at https://openrouter.ai/keys."


async def check_model(settings: Settings) -> list[Finding]:
    """The model that tasks get which name none. Asks for the list of models, which is free."""
    env = settings.data_dir / ".env"
    if settings.lacks_a_model:
        return [
            Finding(
                "model",
                "FAIL",
                "OPENROUTER_BASE_URL is set and DEFAULT_MODEL is not, so the demo answers",
                f"Put DEFAULT_MODEL=… into {env}, with a model that "
                f"{settings.openrouter_base_url} has.",
            )
        ]
    if settings.is_demo:
        return [
            Finding(
                "model",
                "warn",
                "demo: a script that shows real work with real tools, whatever the task",
                KEY_FIX.format(env=env),
            )
        ]
    findings: list[Finding] = []
    key = settings.openrouter_api_key
    base_url = settings.openrouter_base_url
    if key is not None:
        findings.append(Finding("key", "OK", "OPENROUTER_API_KEY is set"))
    elif is_private_endpoint(base_url):
        findings.append(Finding("key", "OK", "none, and endpoints nearby need none"))
    else:
        findings.append(Finding("key", "FAIL", "none", KEY_FIX.format(env=env)))
    headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
    try:
        async with httpx2.AsyncClient(timeout=SECONDS) as http:
            response = await http.get(f"{base_url}/models", headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        findings.append(_unreachable(base_url, error))
        return findings
    findings.append(_read_list(settings, response))
    if key is not None and base_url.startswith("https://openrouter.ai/"):
        findings.append(await _check_key(base_url, headers))
    return findings


def _unreachable(base_url: str, error: Exception) -> Finding:
    return Finding(
        "endpoint",
        "FAIL",
        f"{base_url} does not answer ({neutral(str(error)) or type(error).__name__})",
        "Look at the network, the proxy settings, and OPENROUTER_BASE_URL.",
    )


def _read_list(settings: Settings, response: httpx2.Response) -> Finding:
    base_url = settings.openrouter_base_url
    if response.status_code in {401, 403}:
        return Finding(
            "endpoint",
            "FAIL",
            f"{base_url} refuses the key (HTTP {response.status_code})",
            "Make a new key and set OPENROUTER_API_KEY to it.",
        )
    names = _names(response)
    if response.status_code != 200 or names is None:
        return Finding(
            "endpoint",
            "warn",
            f"{base_url} answers, but lists no models (HTTP {response.status_code})",
            "If runs fail, check that OPENROUTER_BASE_URL ends where /chat/completions begins.",
        )
    wanted = [settings.default_model]
    wanted += [settings.fallback_model] if settings.fallback_model else []
    unknown = [name for name in wanted if name not in names and name != DEMO_MODEL]
    if unknown:
        near = [name for name in names if unknown[0].rpartition("/")[2] in name][:3]
        hint = f"Perhaps {' or '.join(near)}. " if near else ""
        return Finding(
            "model",
            "FAIL",
            f"{base_url} does not know {', '.join(unknown)}",
            neutral(f"{hint}Set DEFAULT_MODEL or FALLBACK_MODEL to a name from its list."),
        )
    return Finding("model", "OK", f"{', '.join(wanted)} at {base_url}")


def _names(response: httpx2.Response) -> list[str] | None:
    try:
        listed: Any = pydantic_core.from_json(response.content)["data"]
        return [str(model["id"]) for model in cast("list[dict[str, Any]]", listed)]
    except (ValueError, KeyError, TypeError):
        return None


async def _check_key(base_url: str, headers: dict[str, str]) -> Finding:
    """OpenRouter lists its models to anyone; only its own page about a key says that it is good."""
    try:
        async with httpx2.AsyncClient(timeout=SECONDS) as http:
            response = await http.get(f"{base_url}/key", headers=headers)
    except httpx2.HTTPError as error:
        return _unreachable(base_url, error)
    if response.status_code == 200:
        return Finding("endpoint", "OK", "OpenRouter accepts the key")
    return Finding(
        "endpoint",
        "FAIL",
        f"OpenRouter refuses the key (HTTP {response.status_code})",
        "Make a new key at https://openrouter.ai/keys and set OPENROUTER_API_KEY to it.",
    )
