"""From `PROVIDER/MODEL` to a model: which providers there are, and whether their keys are."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec.structs import replace

from miyabi_tui.engine.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from miyabi_tui.engine.models.base import Model


NotNegative = Annotated[int, msgspec.Meta(ge=0)]


class Kind(StrEnum):
    """Which wire format a provider speaks."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    OPENAI_CHAT = "openai-chat"
    REPLAY = "replay"


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider: its wire format, its address (for replay: its folder), its key's variable.

    An empty `base_url` is read from `base_url_variable`, then left to the SDK. An empty
    `key_variable` means that the server wants no key. The account's limits hold over all worlds and
    runs (REQ-RES-3; 0: no limit); `count_cached_tokens` says whether what is read from the
    provider's cache counts there, None: as its kind does. `timeout_seconds` is how long it may be
    silent.
    """

    kind: Kind
    base_url: str = ""
    key_variable: str = ""
    base_url_variable: str = ""
    requests_per_minute: NotNegative = 50
    tokens_per_minute: NotNegative = 40_000
    count_cached_tokens: bool | None = None
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 600.0

    @property
    def counts_cached(self) -> bool:
        """Whether cached input counts against the tokens of a minute: not with Anthropic."""
        if self.count_cached_tokens is None:
            return self.kind is not Kind.ANTHROPIC
        return self.count_cached_tokens


PROVIDERS: dict[str, Provider] = {
    "anthropic": Provider(
        Kind.ANTHROPIC, key_variable="ANTHROPIC_API_KEY", base_url_variable="ANTHROPIC_BASE_URL"
    ),
    "openai": Provider(
        Kind.OPENAI, key_variable="OPENAI_API_KEY", base_url_variable="OPENAI_BASE_URL"
    ),
    "openai-chat": Provider(
        Kind.OPENAI_CHAT, key_variable="OPENAI_API_KEY", base_url_variable="OPENAI_BASE_URL"
    ),
    "replay": Provider(Kind.REPLAY),
}


class ModelSpec(msgspec.Struct, frozen=True):
    """A checked `PROVIDER/MODEL`: everything that is needed to make the model."""

    name: str
    provider_name: str
    model: str
    provider: Provider
    base_url: str | None


def check(
    name: str, providers: Mapping[str, Provider], env: Mapping[str, str] | None = None
) -> ModelSpec:
    """Look `PROVIDER/MODEL` up, before anything is created.

    Raises:
        UsageError: the name has no provider, the provider is unknown, or its key is missing.
    """
    source = os.environ if env is None else env
    known = {**PROVIDERS, **{key: completed(key, one) for key, one in providers.items()}}
    provider_name, slash, model = name.partition("/")
    if not slash or not model:
        raise UsageError(
            f"the model {name!r} names no provider",
            "",
            f"write PROVIDER/MODEL; the providers are {', '.join(known)}",
        )
    provider = known.get(provider_name)
    if provider is None:
        raise UsageError(
            f"the model {name!r} has an unknown provider {provider_name!r}",
            "",
            f"use {', '.join(known)}, or add [providers.{provider_name}] to miyabi.toml",
        )
    base_url = provider.base_url or source.get(provider.base_url_variable) or None
    if provider_name not in PROVIDERS and not base_url and provider.kind is not Kind.REPLAY:
        raise UsageError(
            f"the provider {provider_name!r} has no base_url", "", "set it in miyabi.toml"
        )
    if provider.key_variable and not source.get(provider.key_variable):
        raise UsageError(
            f"the key for {name} is missing",
            f"the variable {provider.key_variable} is not set",
            f"export {provider.key_variable}=…, or try `miyabi demo`, which needs none",
        )
    folder = provider.base_url or model
    if provider.kind is Kind.REPLAY and not Path(folder).is_dir():
        raise UsageError(f"there is no recording in {folder}", "", "name a folder of turns")
    return ModelSpec(name, provider_name, model, provider, base_url)


def completed(name: str, provider: Provider) -> Provider:
    """A provider of the settings; what it does not say of a well-known name is as known."""
    known = PROVIDERS.get(name)
    if known is None or known.kind is not provider.kind:
        return provider
    return replace(
        provider,
        base_url=provider.base_url or known.base_url,
        key_variable=provider.key_variable or known.key_variable,
        base_url_variable=provider.base_url_variable or known.base_url_variable,
    )


def create(spec: ModelSpec, *, speed: float = 1.0, env: Mapping[str, str] | None = None) -> Model:
    """The model itself. Imports the provider's SDK, which takes up to a second: in a thread.

    Raises:
        UsageError: a recording cannot be read.
    """
    source = os.environ if env is None else env
    provider = spec.provider
    if provider.kind is Kind.REPLAY:
        from miyabi_tui.engine.models.replay import ReplayModel

        return ReplayModel(spec.name, Path(spec.base_url or spec.model), speed=speed)
    # Servers that want no key still want the header to be there.
    key = source.get(provider.key_variable) or "none"
    if provider.kind is Kind.ANTHROPIC:
        from miyabi_tui.engine.models.anthropic import AnthropicModel as Chosen
    elif provider.kind is Kind.OPENAI:
        from miyabi_tui.engine.models.openai import OpenAIModel as Chosen  # type: ignore[assignment]
    else:
        from miyabi_tui.engine.models.openai_chat import (  # type: ignore[assignment]
            OpenAIChatModel as Chosen,
        )
    return Chosen(
        spec.model,
        provider=spec.provider_name,
        api_key=key,
        base_url=spec.base_url,
        timeout=provider.timeout_seconds,
    )
