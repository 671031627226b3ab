"""The settings that say how runs are carried out: their limits, who is asked, how many at once."""

from pydantic_settings import BaseSettings

from open_agent.core.money import from_cents
from open_agent.core.run import Limits
from open_agent.settings.types import ApprovalRules, Cents, Count, Hours, setting

_WHOLE = "a whole number above 0"


class RunSettings(BaseSettings):
    """What a run may use when its task says nothing else."""

    max_iterations: Count = setting(50, "Steps (model calls) that one run may take.", _WHOLE)
    max_wall_seconds: Count = setting(6 * 3600, "Seconds that one run may last.", _WHOLE)
    default_budget_cents: Cents = setting(
        1000,
        "What a run may spend when its task names no budget, in cents; 0 means no budget.",
        "a whole number, 0 or above",
    )
    approvals: ApprovalRules = setting(
        (),
        "Which calls of tools are allowed, asked about or denied, as JSON; the first rule that fits"
        " decides, and without one a call is allowed. See the guide on approvals.",
        '[{"action": "ask", "command": "git push*"}, {"action": "deny", "effect": "network"}]',
    )
    answer_seconds: Count = setting(
        3600, "How long a person has to answer a question before its default is taken.", _WHOLE
    )
    max_parallel_missions: Count = setting(
        4, "Missions, tasks included, that one user has at work at once.", _WHOLE
    )
    stale_mission_hours: Hours = setting(
        0,
        "Hours without any event after which an active mission at rest is called interrupted; 0"
        " means never.",
        "a whole number, 0 or above",
    )

    @property
    def limits(self) -> Limits:
        """What a run may use when its task says nothing else."""
        return Limits(
            steps=self.max_iterations,
            wall_seconds=self.max_wall_seconds,
            budget_microdollars=from_cents(self.default_budget_cents),
        )
