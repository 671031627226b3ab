"""Why a server could not be used, in words for whoever asked: a model, or a person."""


class ServerFailed(Exception):
    """It could not be done; the text says why and what may help."""


class ServerEnded(ServerFailed):
    """The session with the server has ended; what was asked may have been done or not."""


class SignInNeeded(ServerFailed):
    """A person has to sign in first."""


class SessionGone(ServerEnded):
    """The server does not know the session any more, and has done nothing of what was asked."""
