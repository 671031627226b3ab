"""`open-agent token`: where the token lies, and what it is."""

from open_agent.cli.options import Place
from open_agent.cli.terminal import Terminal
from open_agent.core.clock import SystemClock
from open_agent.core.errors import NotFound
from open_agent.services.access.files import read_token, token_path
from open_agent.settings.settings import Settings


def show_token(place: Place, *, is_revealed: bool) -> None:
    """Print the path of the token's file, or the token itself.

    Raises:
        NotFound: There is none yet.
    """
    data_dir = Settings.load(place.overrides, env_file=place.env_file).data_dir
    token = read_token(data_dir)
    if token is None:
        raise NotFound(
            "token.not_found",
            f"There is no token in {data_dir} yet; the first start of the server makes one.",
        )
    Terminal(SystemClock()).print(token if is_revealed else str(token_path(data_dir)))
