"""The `demo` model: whatever the task, it shows a small piece of real work with the real tools.

A project with a bug and a test is made in the working directory, the test is run and fails, the
bug is mended, the test passes, and the work is committed. Each reply follows from the results in
the request alone, so a crash in the middle changes nothing, and failures are met with another try.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from open_agent.scripted.script import Asked, Call, Json, Script, Style, Tokens, Turn

FOLDER = "open-agent-demo"
COMMIT_MESSAGE = "Count only the minutes that the hours leave"

_MODULE = '''"""Durations as people say them."""


def say(seconds: int) -> str:
    """3725 becomes `1h 2m 5s`."""
    hours = seconds // 3600
    minutes = {minutes}
    return f"{{hours}}h {{minutes}}m {{seconds % 60}}s"
'''
_BUG = "seconds // 60"
_FIX = "seconds % 3600 // 60"

_TEST = """import unittest

from duration import say


class SayTest(unittest.TestCase):
    def test_seconds(self):
        self.assertEqual(say(5), "0h 0m 5s")

    def test_hours_minutes_and_seconds(self):
        self.assertEqual(say(3725), "1h 2m 5s")


if __name__ == "__main__":
    unittest.main()
"""

_TRIES = 3
_RESULT_SHOWN = 600

_ABOUT = """
This was a scripted demonstration: the model `demo` does the same whatever you ask, but the tools, \
the files and the commit above are real. Your task was not read by anyone.

To have real tasks done, set `OPENROUTER_API_KEY` (a key from https://openrouter.ai/keys) in the \
environment or in the `.env` file of the data directory, and start the server again. Any other \
OpenAI-compatible endpoint, such as Ollama, works through `OPENROUTER_BASE_URL`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, and how to tell that it is done."""

    say: str
    tries: tuple[Call, ...]
    """What to call first, and what when that did not do; the last one again after that."""
    is_done: Callable[[str], bool]
    """Judges the result of a call."""


def demo(delay: float = 0.03) -> Script:
    """The demonstration; `delay` is the time between two pieces of text, so that one can watch."""
    style = Style(chunk_chars=12, delay=delay)

    def play(asked: Asked) -> Turn:
        turn = _next(asked)
        size = len(turn.text) + sum(len(str(call.arguments)) for call in turn.calls)
        tokens = Tokens(len(str(asked.messages)) // 4, size // 4, cost_dollars=0.0)
        return Turn(turn.text, calls=turn.calls, tokens=tokens, style=style)

    return play


def _next(asked: Asked) -> Turn:
    if asked.body.get("tool_choice") == "none":
        return Turn("The demonstration goes on where its last result left it.")
    results, runs = _results(asked.messages)
    steps = _steps(FOLDER if runs == 0 else f"{FOLDER}-{runs + 1}")
    done, failures = 0, 0
    for result in results:
        if done == len(steps):
            break
        is_done = steps[done].is_done(result)
        done, failures = (done + 1, 0) if is_done else (done, failures + 1)
    if done == len(steps):
        return Turn(_all_done(results[-1], FOLDER if runs == 0 else f"{FOLDER}-{runs + 1}"))
    step = steps[done]
    if failures >= _TRIES:
        return Turn(_gave_up(step, results[-1]))
    said = step.say if failures == 0 else f"That did not do it. Once more: {step.say}"
    return Turn(said, calls=(step.tries[min(failures, len(step.tries) - 1)],))


def _results(messages: list[Json]) -> tuple[list[str], int]:
    """The tool results since the last time the demonstration ended, and how often it has."""
    results: list[str] = []
    runs = 0
    for message in messages:
        if message["role"] == "tool":
            results.append(str(message.get("content") or ""))
        elif message["role"] == "assistant" and not message.get("tool_calls"):
            results.clear()
            runs += 1
    return results, runs


def _steps(folder: str) -> tuple[Step, ...]:
    module = f"{folder}/duration.py"
    run_test = _run("python3 -B -m unittest -v", folder)
    return (*_set_up(folder, module, run_test), *_mend(folder, module, run_test))


def _set_up(folder: str, module: str, run_test: Call) -> tuple[Step, ...]:
    # With a branch named, git gives no advice on the names of branches.
    init = f"git -c init.defaultBranch=main init -q {folder}"
    begin = f"mkdir -p {folder} && {init} && python3 --version && git --version"
    return (
        Step(
            f"I will show what Open Agent does with a small project in `{folder}`. First the"
            " folder and its repository.",
            (_run(begin),),
            lambda result: "git version" in result,
        ),
        Step(
            "A module that says how long something took. It has a bug.",
            (_write(module, _MODULE.format(minutes=_BUG)),),
            _is_no_failure,
        ),
        Step("And a test for it.", (_write(f"{folder}/test_duration.py", _TEST),), _is_no_failure),
        Step(
            "Now I run the test; it should find the bug.",
            (run_test,),
            lambda result: "FAILED" in result or "OK" in result,
        ),
    )


def _mend(folder: str, module: str, run_test: Call) -> tuple[Step, ...]:
    files = ["duration.py", "test_duration.py"]
    commit = {"message": COMMIT_MESSAGE, "repo_path": folder, "files": files}
    commit_by_hand = (
        f"git add {' '.join(files)} && git -c user.name='Open Agent'"
        f" -c user.email=open-agent@localhost commit -m '{COMMIT_MESSAGE}'; git log --oneline -1"
    )
    return (
        Step(
            "3725 seconds are 1h 2m 5s, and the module says 62 minutes. I look at the code.",
            (Call("read_file", {"path": module}),),
            _is_no_failure,
        ),
        Step(
            "The minutes are not reduced by the hours. I change that one expression.",
            (Call("edit_file", {"path": module, "old_text": _BUG, "new_text": _FIX}),),
            lambda result: True,  # the test is the judge
        ),
        Step(
            "I run the test again.",
            (run_test, _write(module, _MODULE.format(minutes=_FIX)), run_test),
            lambda result: "OK" in result and "FAILED" not in result,
        ),
        Step("It passes. I commit the work.", (Call("git_commit", commit),), lambda result: True),
        Step(
            "Last, I make sure that the commit is there.",
            (
                _run("git log --oneline -1 && git status --short", folder),
                _run(commit_by_hand, folder),
            ),
            lambda result: COMMIT_MESSAGE in result,
        ),
    )


def _run(command: str, cwd: str | None = None) -> Call:
    arguments: dict[str, Any] = {"command": command, "timeout_secs": 60}
    return Call("run_command", arguments if cwd is None else arguments | {"cwd": cwd})


def _write(path: str, content: str) -> Call:
    return Call("write_file", {"path": path, "content": content})


def _is_no_failure(result: str) -> bool:
    start = result[:200].lower()
    return not any(word in start for word in ("error", "unknown", "not run", "cancel", "no tool"))


def _all_done(last_result: str, folder: str) -> str:
    commit = next((line for line in last_result.splitlines() if COMMIT_MESSAGE in line), "")
    return (
        f"Done. In `{folder}` I wrote a module with a bug and a test for it, saw the test fail,"
        " mended the bug, saw the test pass, and committed both files:\n\n"
        f"    {commit.strip()}\n{_ABOUT}"
    )


def _gave_up(step: Step, result: str) -> str:
    return (
        f"The demonstration could not go on. It was at this point: “{step.say}” After {_TRIES}"
        f" tries the last result was:\n\n{result[:_RESULT_SHOWN]}\n\n"
        "It needs `git` and `python3` on the PATH and a working directory it may write to;"
        f" `open-agent doctor` tells more.\n{_ABOUT}"
    )
