"""The terms a run is carried out on. They are in its journal, so that it can be resumed from it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from miyabi_tui.engine.models.registry import Provider
from miyabi_tui.engine.scoring.toolchain import Commands

Positive = Annotated[float, msgspec.Meta(gt=0, le=1e9)]  # infinity is no number in JSON
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one world may use: steps, seconds of work (pauses excluded), dollars (0: no limit)."""

    steps: AtLeastOne = 60
    seconds: Positive = 1_500.0
    cost_usd: NotNegative = 1.0
    max_tokens: AtLeastOne = 16_000


class Checkpoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How worktrees are saved: `every_seconds` besides every step, `ignored` files too or not."""

    every_seconds: Positive = 300.0
    ignored: bool = False


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often a call is made that meets a fault which can pass (REQ-ERR-1).

    Waits grow from `first_seconds` by `factor` up to `longest_seconds`, with jitter. A rate limit
    is no fault: its waits do not count as attempts, but end after `patience_seconds` in all.
    """

    attempts: AtLeastOne = 3
    first_seconds: Positive = 1.0
    factor: Annotated[float, msgspec.Meta(ge=1)] = 2.0
    longest_seconds: Positive = 60.0
    patience_seconds: Positive = 900.0


class Breaker(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a provider is left alone, for how long, and when it is trusted again (REQ-ERR-3)."""

    failures: AtLeastOne = 5
    seconds: Positive = 60.0
    successes: AtLeastOne = 2


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """US dollars (REQ-COST-1): `issue_usd` over all runs of an issue, `month_usd` over everything.

    0 is no budget. At the share `warn_at` a warning, at the whole the runs of it stop and ask.
    """

    issue_usd: NotNegative = 5.0
    month_usd: NotNegative = 1_000.0
    warn_at: Share = 0.8


class Cache(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The response cache (REQ-COST-4): how many turns it keeps, and for how many days."""

    enabled: bool = True
    entries: AtLeastOne = 1_000
    days: Positive = 7.0


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model's price in US dollars per million tokens; cached input costs `input` unless said."""

    input: NotNegative
    output: NotNegative
    cache_read: NotNegative | None = None
    cache_write: NotNegative | None = None


class Termination(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a world is stopped early (REQ-COST-3); 0 switches a rule off.

    Tests below `min_pass_rate`, or a build that fails, for so many seconds of work; dollars of all
    worlds of a run together (besides the budgets, which hold for all runs of an issue); the same
    failure, or the same action, so many times in a row; steps without an edit; a multiple of what
    this run's scored worlds cost in the median. A person has `grace_seconds` to object.
    `sample_seconds`: how often a running world's tests are run at most; 0 is never.
    """

    enabled: bool = True
    grace_seconds: NotNegative = 60.0
    test_failure_seconds: NotNegative = 600.0
    min_pass_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    compilation_failure_seconds: NotNegative = 300.0
    issue_cost_usd: NotNegative = 0.0
    repeated_failures: Annotated[int, msgspec.Meta(ge=0)] = 5
    steps_without_edit: Annotated[int, msgspec.Meta(ge=0)] = 12
    repeated_actions: Annotated[int, msgspec.Meta(ge=0)] = 3
    cost_factor: NotNegative = 2.5
    sample_seconds: NotNegative = 60.0


class Strategy(StrEnum):
    """What to do when too few worlds have succeeded (REQ-ERR-2)."""

    ACCEPT_PARTIAL = "accept_partial"
    LOWER_TEMPERATURE = "lower_temperature"
    SWITCH_MODEL = "switch_model"
    WAIT_FOR_HUMAN = "wait_for_human"
    SKIP = "skip"


class Fallback(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the strategies need: AcceptPartialSuccess, RetryWithLowerTemperature, SwitchModel, ….

    `min_successful_worlds`: with fewer eligible worlds the strategies are tried, one after another;
    `accept_at_least`: what `accept_partial` is content with.
    """

    min_successful_worlds: AtLeastOne = 1
    accept_at_least: AtLeastOne = 1
    reduction: Positive = 0.3
    model: str = ""
    timeout_seconds: NotNegative = 600.0


class Isolation(StrEnum):
    """What keeps a world's commands apart from the machine (REQ-SEC-3)."""

    AUTO = "auto"
    DOCKER = "docker"
    BUBBLEWRAP = "bubblewrap"
    PROCESS = "process"


class Sandboxing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What each world's commands may use (REQ-RES-1) and reach (REQ-SEC-3).

    `memory_gb`, `cpus` (threads), `disk_gb` and `processes` are limits. `network` names the hosts
    they may reach over HTTP(S) (`*.example.org` for all below one); none by default, `["*"]` is no
    limit at all. `image` is a Docker image, `dockerfile` the file it is built from once; without
    either the containers see this machine's own programs, read-only. `readable` are further folders
    that commands may read.
    """

    memory_gb: Positive = 2.0
    cpus: Positive = 2.0
    disk_gb: Positive = 5.0
    processes: AtLeastOne = 512
    network: tuple[str, ...] = ()
    image: str = ""
    dockerfile: str = ""
    readable: tuple[str, ...] = ()

    @property
    def memory_bytes(self) -> int:
        """The memory limit in bytes."""
        return int(self.memory_gb * 2**30)

    @property
    def disk_bytes(self) -> int:
        """The disk limit in bytes."""
        return int(self.disk_gb * 2**30)


class Governing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much heavy work (commands, builds, tests) runs at once (REQ-RES-1 and 2).

    `at_once` 0 is what the machine's size gives. Shares are of the machine: above a `high` one less
    runs, below all `low` ones one more, looked at every `every_seconds`. Starts are
    `stagger_seconds` apart. New work is held while tasks stalled for memory for more than
    `pressure_percent` of the last ten seconds.
    """

    enabled: bool = True
    at_once: Annotated[int, msgspec.Meta(ge=0)] = 0
    every_seconds: Positive = 10.0
    memory_high: Share = 0.90
    cpu_high: Share = 0.95
    disk_high: Share = 0.85
    memory_low: Share = 0.70
    cpu_low: Share = 0.75
    disk_low: Share = 0.70
    stagger_seconds: NotNegative = 0.25
    pressure_percent: Positive = 20.0


class Approvals(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rules for the commands of agents: patterns with `*` and `?` over the whole command.

    `deny` is above `ask`, and that above `allow`; what no pattern names is allowed.
    """

    allow: tuple[str, ...] = ()
    ask: tuple[str, ...] = (
        "sudo *",
        "su *",
        "ssh *",
        "scp *",
        "docker *",
        "git push*",
        "npm publish*",
        "twine upload*",
        "cargo publish*",
    )
    deny: tuple[str, ...] = ()


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was asked for besides its worlds. No key is in here, only names of variables.

    `target` is the branch that was asked for, empty where the run makes its own; `prompts` a
    folder; `speed` the pace of recorded turns, None without any pause.
    """

    target: str = ""
    limits: Limits = Limits()
    checkpoints: Checkpoints = Checkpoints()
    commands: Commands = Commands()
    providers: dict[str, Provider] = {}
    retry: Retry = Retry()
    breaker: Breaker = Breaker()
    budgets: Budgets = Budgets()
    cache: Cache = Cache()
    prices: dict[str, Price] = {}
    termination: Termination = Termination()
    on_failure: tuple[Strategy, ...] = (Strategy.WAIT_FOR_HUMAN,)
    fallback: Fallback = Fallback()
    prompts: str = ""
    env: tuple[str, ...] = ()
    test_seconds: float = 600.0
    speed: float | None = 1.0
    isolation: Isolation = Isolation.AUTO
    sandbox: Sandboxing = Sandboxing()
    governor: Governing = Governing()
    approvals: Approvals = Approvals()

    @property
    def key_variables(self) -> frozenset[str]:
        """The variables that hold the keys of its own providers, which may be named anyhow."""
        return frozenset(one.key_variable for one in self.providers.values())
