"""Serves a scripted model: `python -m open_agent.scripted --port 4010 --script demo`.

The first line it writes is JSON with its `base_url`; it serves until it is stopped.
"""

import argparse
import json
import signal
import sys

from open_agent.core.errors import Invalid
from open_agent.scripted.loading import load_script
from open_agent.scripted.server import ScriptedServer


def main() -> int:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m open_agent.scripted", description="A model that plays a script."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    parser.add_argument("--script", default="demo", help="`demo`, or a JSON file of turns")
    parser.add_argument("--delay", type=float, default=0.03, help="seconds per chunk of the demo")
    options = parser.parse_args()
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    try:
        script = load_script(options.script, delay=options.delay)
    except Invalid as error:
        sys.stderr.write(f"{error.message}\n")
        return 2
    with ScriptedServer(script, port=options.port) as server:
        sys.stdout.write(json.dumps({"base_url": server.base_url}) + "\n")
        sys.stdout.flush()
        signal.sigwait(stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
