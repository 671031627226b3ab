"""What is promised of users, authentication and the audit log."""

from tests.interaction.promises.promise import Promise

PROMISES = {
    "access:modes:original": Promise(
        "original",
        "DEV_MODE, then users, then the password, then local mode; /api/health says which.",
        proof=("unit/test_settings.py::test_what_would_let_strangers_in_is_refused",),
    ),
    "access:modes:switch": Promise(
        "issue",
        "Switching modes hides nothing; the first administrator can adopt it, and only one.",
    ),
    "access:login:original": Promise(
        "original",
        "POST /api/auth/login answers {token, exp}; its failures are the original's plain text.",
    ),
    "access:login:same-answer": Promise(
        "issue",
        "An unknown user and a wrong password get the same answer after the same work.",
    ),
    "access:login:throttled": Promise(
        "issue",
        "Guessing is answered with 429 and Retry-After, and locks nobody else out.",
        proof=("unit/services/access/test_throttle.py",),
    ),
    "access:login:bounded": Promise(
        "issue",
        "Many logins at once take bounded memory and leave the server answering.",
    ),
    "access:legacy:opt-in": Promise(
        "issue",
        "Tokens of the original are good only with ACCEPT_LEGACY_TOKENS.",
        proof=("unit/services/access/test_tokens.py",),
    ),
    "access:local:code": Promise(
        "issue",
        "In local mode the printed one-time code is the password.",
    ),
    "access:local:link": Promise(
        "issue",
        "A one-time link lets one browser in and leads to the start page.",
    ),
    "access:local:kernel": Promise(
        "issue",
        "Programs of the server's own account need no token, but to administer; browsers do.",
        proof=("unit/server/test_peer.py",),
    ),
    "access:cookie:guarded": Promise(
        "issue",
        "The session cookie is out of reach of scripts and writes only from pages of ours.",
    ),
    "access:sessions:ended": Promise(
        "issue",
        "Logout, a new password or role, disabling and deleting end sessions, keys and streams.",
    ),
    "access:ownership:matrix": Promise(
        "issue",
        "What is another's is answered like what is not there, on every route there is.",
    ),
    "access:ownership:channels": Promise(
        "issue",
        "The same holds by Bearer token, by cookie and by API key.",
    ),
    "access:ownership:fields": Promise(
        "issue",
        "No body can set an owner, a role or a limit that is not its own.",
    ),
    "access:keys:scoped": Promise(
        "issue",
        "An API key is shown once, good for its scope and its time, and revoked at once.",
    ),
    "access:users:administered": Promise(
        "issue",
        "Administrators add, change, disable and delete users; one administrator always stays.",
        proof=("conformance/test_accounts.py",),
    ),
    "access:audit:complete": Promise(
        "issue",
        "Logins, failed ones, and changes of users and keys are in the audit log.",
    ),
    "access:secrets:hidden": Promise(
        "issue",
        "No password, token, key or code is in a log, an event, an error or the audit log, nor in "
        "the environment of commands.",
        proof=("unit/test_settings.py::test_commands_see_no_secret_of_access_even_if_it_is_named",),
    ),
    "cli:access:administers": Promise(
        "issue",
        "Users, keys, links and hashes are looked after from the command line, server or not.",
    ),
    "access:bind:guarded": Promise(
        "issue",
        "Without users or a password the server does not listen beyond loopback.",
    ),
    "access:origin:listed": Promise(
        "issue",
        "Pages of listed origins may use the server with a token, preflights included; no others.",
    ),
}
