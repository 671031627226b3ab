"""What is promised of users, authentication and the audit log."""

from tests.interaction.promises.promise import Promise

PROMISES = {
    "access:origin:listed": Promise(
        "issue",
        "Pages of listed origins may use the server with a token, preflights included; no others.",
    ),
}
