"""The settings that say how MCP servers are used, and what models are shown of their answers."""

from pydantic_settings import BaseSettings

from open_agent.settings.types import Count, Words, setting

_WHOLE = "a whole number above 0"


class McpSettings(BaseSettings):
    """How MCP servers are used."""

    mcp_call_seconds: Count = setting(
        120, "How long a call of an MCP server's tool may take, if its entry does not say.", _WHOLE
    )
    mcp_idle_seconds: Count = setting(
        600, "Seconds after which a session with an MCP server ends that nobody uses.", _WHOLE
    )
    vision_models: Words = setting(
        (),
        "Models that can be shown images, beside those that are known to, as names or patterns.",
        "names separated by commas: my/model, llava*",
    )
