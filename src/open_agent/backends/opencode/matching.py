"""Which of the models there are somebody means, whatever they wrote. Pure.

Clients of the original send bare ids without a provider, which OpenCode does not know; the original
sent none then, and the run went to another model than the one that was recorded.
"""

import difflib
from collections.abc import Sequence

from open_agent.backends.opencode.protocol.wire import ModelRef, split_model
from open_agent.core.errors import Invalid

NEAR = 5
_LIKENESS = 0.5


def match_model(name: str, models: Sequence[ModelRef]) -> ModelRef:
    """The model of this name: `provider/model`, the model alone, or the end of it after a slash.

    Raises:
        Invalid: There is none (`model.unknown`), or more than one (`model.ambiguous`); the names to
            choose from are in the message and the details.
    """
    known = dict.fromkeys(models)
    whole = split_model(name)
    if whole in known:
        return whole
    by_id = [ref for ref in known if ref.model_id == name]
    by_end = [ref for ref in known if ref.model_id.endswith(f"/{name}")]
    for found in (by_id, by_end):
        if len(found) == 1:
            return found[0]
        if found:
            names = sorted(map(str, found))
            raise Invalid(
                "model.ambiguous",
                f"{name} could be {' or '.join(names[:NEAR])}. Say which one.",
                {"model": name, "near": names},
            )
    near = near_names(name, models)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise Invalid(
        "model.unknown",
        f"OpenCode knows no model {name}.{hint} It knows {len(known)} in all;"
        " `MODEL_PRICES` adds one to an OpenCode of our own, its configuration to any other.",
        {"model": name, "near": near},
    )


def near_names(name: str, models: Sequence[ModelRef]) -> list[str]:
    """The names that are most like this one, the nearest first."""
    wanted = _bare(name)
    by_end: dict[str, list[str]] = {}
    for ref in dict.fromkeys(models):
        by_end.setdefault(_bare(ref.model_id), []).append(str(ref))
    ends = difflib.get_close_matches(wanted, by_end, n=NEAR, cutoff=_LIKENESS)
    return [full for end in ends for full in by_end[end]][:NEAR]


def _bare(name: str) -> str:
    """A name as people remember it: without its provider, and with `.` as good as `-`."""
    return name.rpartition("/")[2].lower().replace(".", "-")
