"""What is promised of MCP servers as tools."""

from tests.interaction.promises.promise import Promise

PROMISES = {
    "mcp:client:hostile": Promise(
        "design",
        "A server that dies, hangs, floods or lies costs a failed call, and never more memory than "
        "a message may have.",
    ),
    "mcp:client:health": Promise(
        "issue", "A server that does not answer a ping any more is ended, and begun again."
    ),
    "mcp:client:restart": Promise(
        "issue", "A server that died is started again; one that keeps dying less and less often."
    ),
    "mcp:client:paging": Promise(
        "issue", "All pages of a list are read, and no more than there are."
    ),
    "mcp:client:slow-start": Promise(
        "issue", "A server starts when it is needed, once, whoever waits for it."
    ),
    "mcp:client:ended": Promise(
        "issue", "No process of a server outlives what it was started for."
    ),
    "mcp:client:call": Promise("issue", "A tool of a real server is called, and its answer read."),
    "mcp:client:environment": Promise(
        "issue", "A server is given a clean environment and what was configured, and nothing else."
    ),
    "mcp:client:apart": Promise(
        "issue",
        "Users never share a process of a server; missions do not where the server keeps state.",
    ),
    "mcp:client:cancel": Promise(
        "issue", "A call that is cancelled is cancelled at the server; progress is shown live."
    ),
    "mcp:client:timeout": Promise("issue", "Every call has a deadline."),
    "mcp:client:changes": Promise("issue", "A tool list that changes is noticed."),
    "mcp:client:idle": Promise("issue", "A session that nobody uses is ended."),
    "mcp:client:results": Promise("issue", "Texts, images and values of answers are understood."),
    "mcp:client:reading": Promise("issue", "Resources and prompts are listed, read and filled in."),
    "mcp:client:http": Promise(
        "issue", "A server at an address is spoken to by streamable HTTP, with headers, bounded."
    ),
    "mcp:registry:original": Promise(
        "original", "The registry has the original's routes and fields, and does what it did."
    ),
    "mcp:bridge:opencode": Promise(
        "issue",
        "OpenCode has a mission's MCP tools from us; what is switched off is off there too.",
    ),
    "mcp:bridge:closed": Promise(
        "design", "The bridge to a mission's tools lets in nobody but the run that it is open for."
    ),
    "mcp:registry:change": Promise(
        "issue", "A server is changed in place; its id and the secrets that are not named stay."
    ),
    "mcp:registry:refuses": Promise("design", "What cannot be configured is refused, saying why."),
    "mcp:registry:secrets": Promise(
        "issue", "Secrets of servers are in no answer, in no log, and in no place but their own."
    ),
    "mcp:registry:rights": Promise(
        "issue", "Administrators configure servers for all; everybody's own are theirs alone."
    ),
    "mcp:users:deleted": Promise(
        "issue", "A deleted user leaves no MCP server, no secret and no process of one."
    ),
    "mcp:users:disabled": Promise("design", "Of a disabled user, no MCP server runs on."),
    "mcp:client:elsewhere": Promise(
        "design", "What another host has removed, disabled or changed does not run on here."
    ),
    "mcp:registry:import": Promise(
        "issue", "Servers are taken over from other tools' files, as a whole, and replace nothing."
    ),
    "mcp:registry:first-start": Promise(
        "issue",
        "The original's servers are taken over once; a broken file is refused and left as it is; "
        "what was deleted stays deleted.",
    ),
    "mcp:registry:reading": Promise("issue", "Resources and prompts are shown by the API."),
    "mcp:tools:toggle": Promise(
        "issue", "Switching a tool is checked, kept, and counts for oneself or for everybody."
    ),
    "mcp:tools:called": Promise(
        "issue", "Missions are offered the tools of servers under their prefix, in a stable order."
    ),
    "mcp:tools:trusted": Promise(
        "design", "A call of a server's tool is made again after a crash only where it is trusted."
    ),
    "mcp:tools:nothing": Promise("design", "Without servers, nothing is begun, and nothing paid."),
    "mcp:tools:changes": Promise("issue", "A tool that comes later is offered in the same run."),
    "mcp:tools:approval": Promise("design", "Rules of approval hold for tools of servers."),
    "mcp:tools:images": Promise(
        "issue", "Images in results reach models that see; others are told where they are kept."
    ),
    "mcp:tools:long": Promise("design", "A long answer is cut, and all of it kept."),
    "mcp:tools:hostile": Promise("design", "A hostile server costs a tool error, never a run."),
    "mcp:tools:names": Promise(
        "issue", "Names are legal and unique; what is unfit is left out, and said why."
    ),
    "mcp:tools:slow-server": Promise("issue", "A server that does not answer holds up no run."),
    "mcp:tools:first-look": Promise(
        "design", "What is started only to see what it offers ends then, however long it takes."
    ),
    "mcp:tools:apart": Promise(
        "issue", "Missions share no state of a server that keeps it, which ends with the run."
    ),
    "mcp:tools:others": Promise("issue", "Nobody's missions get the tools of another's servers."),
    "mcp:first-use": Promise(
        "design", "Whoever needs MCP first in the life of a server gets it, several at once too."
    ),
    "mcp:presets:trio": Promise(
        "original",
        "The original's trio is enabled on a fresh server; missions at once have a screen each, of "
        "which a model that sees is shown pictures, and nothing of it outlives its run.",
    ),
    "mcp:presets:killed": Promise("issue", "Nothing of the trio outlives a server that is killed."),
    "mcp:presets:rules": Promise(
        "design", "The operator's rules hold in our own servers, whatever their entries say."
    ),
    "mcp:bridge:rules": Promise(
        "design",
        "Rules hold for tools of MCP servers that OpenCode calls, those about commands too; a "
        "person who is asked is shown with what.",
    ),
    "mcp:presets:opencode": Promise("issue", "The trio works inside the real OpenCode."),
    "mcp:playwright:drives": Promise(
        "issue",
        "The default Playwright server drives a real page, with a profile for each mission, and "
        "leaves no process.",
    ),
    "mcp:killed": Promise(
        "issue",
        "`kill -9` of our server leaves no process of an MCP server, and loses no entry.",
        proof=("crash/test_mcp_kill.py",),
    ),
    "mcp:client:sign-in": Promise(
        "issue",
        "A person signs in to a server with OAuth by a link; runs go on with that, and renew it.",
    ),
}
