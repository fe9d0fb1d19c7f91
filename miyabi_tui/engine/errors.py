"""Every error of the engine, in one tree.

MiyabiError                 title, cause, next step
├── UsageError              wrong input: exit 2, before anything is created
├── GitError                a git command failed
├── WorktreeError           a worktree could not be made or removed
├── SandboxError            a world's commands have no place to run in
├── MergeConflict           the winner does not apply; names the files
├── StoreError              the journal cannot be read or written
├── BudgetSpent             the next call could pass a budget: a world has to finish
├── RunHalted               the run has to end as it stands, and can be resumed
└── ModelError              a provider failed; `transient` says whether a retry can help
    ├── RateLimited         429
    ├── Overloaded          5xx and 529
    ├── ConnectionLost      refused, dropped or timed out
    ├── StreamBroken        ended without the terminal event, or an error event in it
    └── RequestRefused      the provider will never accept this (key, model, parameters)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miyabi_tui.engine.models.base import LimitsReport


class MiyabiError(Exception):
    """An error a person can meet: what happened, why, and what to do next."""

    def __init__(self, title: str, cause: str = "", next_step: str = "") -> None:
        super().__init__(title)
        self.title = title
        self.cause = cause
        self.next_step = next_step

    def __str__(self) -> str:
        line = f"{self.title}: {self.cause}" if self.cause else self.title
        return f"{line} ({self.next_step})" if self.next_step else line


class UsageError(MiyabiError):
    """Wrong input. The command ends with exit 2 and nothing has been created."""


class GitError(MiyabiError):
    """A git command failed; the cause is git's own words."""


class WorktreeError(MiyabiError):
    """A worktree could not be made, found or removed."""


class SandboxError(MiyabiError):
    """A world's commands have no place to run in: the isolation asked for cannot be had."""


class MergeConflict(MiyabiError):
    """The winner does not apply to the target; nothing was changed."""

    def __init__(
        self, branch: str, files: tuple[str, ...], cause: str = "conflicting changes"
    ) -> None:
        super().__init__(
            f"cannot merge into {branch}",
            f"{cause} in {', '.join(files)}" if files else cause,
            "nothing was changed; merge the winner's branch by hand",
        )
        self.branch = branch
        self.files = files


class StoreError(MiyabiError):
    """The journal cannot be read or written."""


class ModelError(MiyabiError):
    """A provider failed.

    `retry_after` is the seconds after which it wants to be asked again, `limits` what its answer
    told of the account's limits. `billable` says that it may bill what it was asked: an answer that
    says no costs nothing, a line that is lost afterwards may.
    """

    transient = False

    def __init__(
        self, title: str, cause: str = "", next_step: str = "", *, retry_after: float | None = None
    ) -> None:
        super().__init__(title, cause, next_step)
        self.retry_after = retry_after
        self.limits: LimitsReport | None = None
        self.billable = False


class RateLimited(ModelError):
    """The provider answered 429: the account, not the request, has to wait."""

    transient = True


class Overloaded(ModelError):
    """The provider has a fault of its own (5xx, 529)."""

    transient = True


class ConnectionLost(ModelError):
    """The provider could not be reached, or the line dropped, or it was silent for too long."""

    transient = True


class StreamBroken(ModelError):
    """A stream ended without its terminal event, or carried an error event."""

    transient = True


class RequestRefused(ModelError):
    """The provider will not accept this request however often it is sent."""


class BudgetSpent(MiyabiError):
    """The next call could pass a budget, and nobody raised it: a world has to finish."""


class RunHalted(MiyabiError):
    """The run has to end as it stands; it can be resumed."""
