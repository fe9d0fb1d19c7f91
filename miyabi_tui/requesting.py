"""What `miyabi run` asks for: the flags on top of the settings, as a request to the engine."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from miyabi_tui.config import Settings
    from miyabi_tui.engine.models.registry import ModelSpec
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.terms import Budgets, Limits, Terms
    from miyabi_tui.engine.worlds import WorldConfig

TITLE_AT_MOST = 200


def request_of(args: argparse.Namespace, interactive: bool) -> tuple[RunRequest, Git]:
    """The run that the flags ask for, and the repository in which it is.

    Raises:
        UsageError: a flag, a setting or the issue is not as it should be.
        GitError: the repository cannot be read.
    """
    from miyabi_tui import config
    from miyabi_tui.engine.costs.complexity import chosen
    from miyabi_tui.engine.models import registry
    from miyabi_tui.engine.repo import git as repository
    from miyabi_tui.engine.request import RunRequest

    issue = _issue(args)
    git = repository.open_repository(Path(args.repo))
    base_commit = repository.resolve_commit(git, args.base)
    settings = _flagged(config.load(git.work_tree), args)
    if settings.target:
        repository.check_branch(git, settings.target)
    complexity = chosen(settings.complexity, issue, repository.files_of(git, base_commit))
    worlds, limits = config.assigned(settings, complexity.level, _names(args.worlds))
    if args.budget is not None:  # who allows more for all allows more for each
        share = args.budget / len(worlds)
        limits = replace(limits, cost_usd=max(limits.cost_usd, share) if args.budget else 0.0)
    specs = _models(settings, worlds)
    prompts = git.work_tree / settings.prompts if settings.prompts else None
    if prompts is not None and not prompts.is_dir():
        raise UsageError(f"there is no folder {prompts}", "it is set as prompts in miyabi.toml")
    own = config.load(git.work_tree, {})
    dirty = repository.uncommitted(git)
    files = f"{dirty} uncommitted file{'s' if dirty > 1 else ''}"
    notice = f"{files} in your checkout: left alone, and not part of the race"
    request = RunRequest(
        issue=issue,
        repo=git.work_tree,
        base_ref=args.base,
        base_commit=base_commit,
        worlds=worlds,
        merge=settings.merge,
        terms=_terms(settings, limits, str(prompts or ""), args.speed),
        recorded=all(spec.provider.kind is registry.Kind.REPLAY for spec in specs),
        interactive=interactive,
        notices=(
            *_where_keys_go(settings),
            *_what_may_be_spent(own),
            *(f"this repository's settings {what}" for what in config.weakened(own)),
            *((notice,) if dirty else ()),
        ),
        complexity=e.ComplexityEstimated(
            level=complexity.level, reasons=complexity.reasons, by_person=complexity.by_person
        ),
    )
    return request, git


def _models(settings: Settings, worlds: Sequence[WorldConfig]) -> list[ModelSpec]:
    """The models that may be asked, each checked."""
    from miyabi_tui.engine.models import registry
    from miyabi_tui.engine.terms import Strategy

    models = [world.model for world in worlds]
    if Strategy.SWITCH_MODEL in settings.on_failure:
        models.append(settings.fallback.model)
    specs = [registry.check(model, settings.providers) for model in models]
    for spec in specs:
        if spec.provider.kind is registry.Kind.REPLAY:
            registry.create(spec)  # reads the recording, and says now what is wrong with it
    return specs


def _terms(settings: Settings, limits: Limits, prompts: str, speed: float) -> Terms:
    from miyabi_tui.engine.terms import Terms

    return Terms(
        target=settings.target,
        limits=limits,
        checkpoints=settings.checkpoints,
        commands=settings.commands,
        providers=settings.providers,
        retry=settings.retry,
        breaker=settings.breaker,
        budgets=settings.budgets,
        cache=settings.cache,
        prices=settings.prices,
        termination=settings.termination,
        on_failure=settings.on_failure,
        fallback=settings.fallback,
        prompts=prompts,
        env=settings.env,
        test_seconds=settings.test_seconds,
        speed=None if math.isinf(speed) else speed,
        isolation=settings.isolation,
        sandbox=settings.sandbox,
        governor=settings.governor,
        approvals=settings.approvals,
    )


def _where_keys_go(settings: Settings) -> list[str]:
    """One line for each key that the repository's own settings send somewhere."""
    return [
        f"this repository's settings send the key in {one.key_variable} to {one.base_url}"
        for one in settings.providers.values()
        if one.key_variable and one.base_url
    ]


def _what_may_be_spent(settings: Settings) -> list[str]:
    """One line where the repository's own settings allow more than is usual."""
    from miyabi_tui.engine.terms import Budgets

    usual, set_to = Budgets(), settings.budgets
    return [
        f"this repository's settings set {name} to {f'${value:g}' if value else 'no limit'}"
        for name in ("issue_usd", "month_usd")
        if not 0 < (value := getattr(set_to, name)) <= getattr(usual, name)
    ]


def _names(listing: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listing.split(",") if name.strip())


def _flagged(settings: Settings, args: argparse.Namespace) -> Settings:
    """The settings with the flags on top."""
    from miyabi_tui.engine.terms import Isolation

    flags = {
        "model": args.model,
        "alternative_model": args.alternative_model,
        "target": args.target,
        "merge": e.MergePolicy(args.merge) if args.merge else None,
        "complexity": args.complexity,
        "isolation": Isolation(args.isolation) if args.isolation else None,
        "cache": replace(settings.cache, enabled=False) if args.no_cache else None,
        "budgets": _budgets(settings, args),
    }
    return replace(settings, **{name: value for name, value in flags.items() if value})


def _budgets(settings: Settings, args: argparse.Namespace) -> Budgets:
    asked = {"issue_usd": args.budget, "month_usd": args.month_budget}
    return replace(
        settings.budgets, **{name: value for name, value in asked.items() if value is not None}
    )


def _issue(args: argparse.Namespace) -> e.Issue:
    if args.issue and args.issue_file:
        raise UsageError("the issue is given twice", "", "give a text or --issue-file, not both")
    if args.issue_file:
        try:
            data = Path(args.issue_file).read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read the issue {args.issue_file}", str(error)) from error
    else:
        data = sys.stdin.buffer.read() if args.issue == "-" else os.fsencode(args.issue)
    try:
        text = data.decode("utf-8").replace("\0", "")
    except UnicodeDecodeError as error:
        raise UsageError("the issue is not UTF-8 text", str(error)) from error
    if not text.strip():
        raise UsageError("the issue is empty", "", 'say what is to be done: miyabi run "…"')
    first, _, rest = text.strip().partition("\n")
    title = first.lstrip("# ").strip() or first
    number = args.issue_number
    from miyabi_tui.engine.naming import slug

    key = f"issue-{number}" if number is not None else f"issue-{slug(title)}"
    body = text.strip() if len(title) > TITLE_AT_MOST else rest.strip() or title
    return e.Issue(key, title[:TITLE_AT_MOST], body, number)
