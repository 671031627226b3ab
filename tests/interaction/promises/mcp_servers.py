"""What is promised of our own MCP servers."""

from tests.interaction.promises.promise import Promise

PROMISES: dict[str, Promise] = {
    "mcp-servers:host:tools": Promise(
        "original", "Any MCP client finds the tools of the registry and uses them in its workspace."
    ),
    "mcp-servers:host:rules": Promise(
        "design", "What a rule forbids is not done, nor what it would ask about: nobody is asked."
    ),
    "mcp-servers:host:secrets": Promise(
        "design", "Commands see nothing of what only the server was given."
    ),
    "mcp-servers:calls:errors": Promise(
        "issue", "A refusal is shown to the model; what cannot be a call is an error to the client."
    ),
    "mcp-servers:calls:together": Promise("issue", "A long call blocks nothing else."),
    "mcp-servers:calls:cancel": Promise(
        "issue", "A cancelled call ends with all that it started, and is not answered."
    ),
    "mcp-servers:calls:progress": Promise(
        "issue", "Live output reaches clients that ask for progress."
    ),
    "mcp-servers:calls:bounded": Promise(
        "design", "A long output is cut, says so, and can be read whole."
    ),
    "mcp-servers:stdio:hostile": Promise(
        "issue", "Garbage, huge lines and unknown methods are answered, and the server goes on."
    ),
    "mcp-servers:stdio:protocol-only": Promise(
        "issue", "Standard output carries the protocol and nothing else."
    ),
    "mcp-servers:stdio:ends-with-client": Promise(
        "issue", "When the client or the server goes, however it goes, nothing is left."
    ),
    "mcp-servers:stdio:eras": Promise("design", "Every revision of the protocol is spoken."),
    "mcp-servers:stdio:settings": Promise(
        "design", "A wrong setting is said on standard error, and ends the server at once."
    ),
    "mcp-servers:stdio:inspector": Promise(
        "issue", "The official inspector uses our stdio servers and finds their schemas portable."
    ),
    "mcp-servers:desktop:tools": Promise(
        "original", "The nine desktop tools, with the original's names, parameters and results."
    ),
    "mcp-servers:desktop:browser": Promise(
        "original", "A browser on the screen is used by mouse and keyboard."
    ),
    "mcp-servers:desktop:apart": Promise(
        "issue", "Sessions of two servers never have the same display, nor touch each other."
    ),
    "mcp-servers:desktop:ends": Promise(
        "issue", "A killed server leaves no program, no lock and no socket of its screens."
    ),
    "mcp-servers:desktop:private": Promise(
        "design", "Only who has the secret of a screen can open it."
    ),
    "mcp-servers:desktop:files": Promise(
        "issue", "Screenshots lie in one folder of the workspace, whatever name is asked for."
    ),
    "mcp-servers:desktop:bounds": Promise(
        "issue", "Everything on a screen is bounded, and what cannot be done is said."
    ),
    "mcp-servers:desktop:missing": Promise(
        "issue", "A missing program is named with the Debian package that has it."
    ),
    "mcp-servers:http:conformance": Promise(
        "issue", "The official conformance suite finds nothing but what is named, with reasons."
    ),
    "mcp-servers:http:inspector": Promise("issue", "The official inspector uses `/mcp`."),
    "mcp-servers:http:tools": Promise(
        "issue", "`/mcp` hands over tasks, shows their progress, takes messages and answers, stops."
    ),
    "mcp-servers:http:progress": Promise(
        "design", "Progress is read by cursor, waited for, and bounded."
    ),
    "mcp-servers:http:owner": Promise("design", "Over `/mcp`, nobody reaches another's work."),
    "mcp-servers:http:sessions": Promise(
        "design",
        "Sessions are bounded, belong to one credential, prove nothing, and end with it.",
    ),
    "mcp-servers:http:scopes": Promise("issue", "Over `/mcp`, a key that reads changes nothing."),
    "mcp-servers:http:perimeter": Promise(
        "design", "`/mcp` checks Host, Origin, cookies and bodies as every other address does."
    ),
    "mcp-servers:http:hostile": Promise("design", "No request to `/mcp` fails inside."),
    "mcp-servers:http:drain": Promise(
        "design", "Streams and waiting calls of `/mcp` end when the server stops."
    ),
    "mcp-servers:http:cheap": Promise(
        "design", "A server to which nobody speaks MCP does not pay for it."
    ),
    "mcp-servers:opencode:host-and-desktop": Promise(
        "issue", "The real OpenCode works with our host tools and on our desktop."
    ),
    "mcp-servers:opencode:remote": Promise(
        "issue", "The real OpenCode hands tasks to the server over `/mcp`."
    ),
}
