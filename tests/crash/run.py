"""Kills a scripted history again and again, and says what was found.

    python -m tests.crash.run 10000            # about three minutes
    python -m tests.crash.run 10000 --loop     # the same with the real agent loop
    python -m tests.crash.run 100 --planted no_intent

Ends with 1 when a promise was broken, which with `--planted` is what it should do.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from open_agent.testing.crash import Campaign, as_json
from tests.crash.loop import carry_out
from tests.crash.planted import PLANTED


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int)
    parser.add_argument("--planted", choices=sorted(PLANTED), default="nothing")
    parser.add_argument("--loop", action="store_true", help="kill the real agent loop")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--folder", type=Path, help="on which disk; by default that of /tmp")
    arguments = parser.parse_args()
    bug = PLANTED[arguments.planted]
    folder = Path(tempfile.mkdtemp(prefix="crash-", dir=arguments.folder))
    program = carry_out if arguments.loop else bug.program
    report = Campaign(program, folder, bug.wrap, arguments.seed).run(arguments.kills)
    sys.stdout.write(as_json(report) + "\n")
    if report.problems:
        sys.stderr.write(f"The first history that failed is kept in {folder}\n")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
