"""Scripts by name or from a JSON file, for the command line."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from open_agent.core.errors import Invalid
from open_agent.scripted.demo import demo
from open_agent.scripted.script import Script, Turn, say


class ScriptFile(BaseModel):
    """A script as a file has it: turns in order, and what is said after the last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    turns: list[Turn] = []
    then: Turn = Turn(text="Done.")


def load_script(name: str, *, delay: float) -> Script:
    """The script `demo`, or the one in the JSON file `name`.

    Raises:
        Invalid: There is no such script, or the file is not one (`script.invalid`).
    """
    if name == "demo":
        return demo(delay)
    try:
        script = ScriptFile.model_validate_json(Path(name).read_bytes())
    except OSError as error:
        raise Invalid("script.invalid", f"{name} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        raise Invalid("script.invalid", f"{name} is no script: {error}") from None
    return say(*script.turns, then=script.then)
