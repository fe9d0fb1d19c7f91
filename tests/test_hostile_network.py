"""Races in containers: the hosts that are listed are the only way out, and podman is as good."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.events import Escape
from miyabi_tui.engine.worlds import FIVE
from tests import racing
from tests.test_hostile_ground import HONEST, LIMITS, Ground, ground, place
from tests.test_network_proxy import web

if TYPE_CHECKING:
    from miyabi_tui.engine.engine import Engine
    from miyabi_tui.engine.state import RunState

__all__ = ["ground", "place", "web"]  # fixtures

A, *_ = FIVE
CURL = "curl -sS -m 10 --noproxy ''"  # by the proxy, also to loopback, where the servers are
DIRECT = "curl -sS -m 10 --noproxy '*'"


def stop_when_answered(engine: Engine, record: e.Record, state: RunState) -> None:
    """What is tried is all that is of interest: nothing has to be measured."""
    if isinstance(record.event, e.StepFinished):
        engine.stop()


@pytest.mark.parametrize("place", ["docker"], indirect=True)
def test_of_all_hosts_only_a_listed_one_is_reached(ground: Ground, web: str) -> None:
    shut = f"127.0.0.1:{ground.network.port}"
    tries = {
        f"{CURL} http://{web}/listed": "GET /listed HTTP/1.1",
        f"{CURL} http://{shut}/": f"403 {shut} is not allowed|miyabi: {shut} is not allowed",
        f"{CURL} https://example.org/": "403",
        f"{DIRECT} http://{web}/": "[Cc]onnect",
        f"{DIRECT} http://192.0.2.1/": "[Cc]onnect",
        f"echo hello > /dev/tcp/127.0.0.1/{ground.network.port}": "refused",
        "echo hello > /dev/tcp/192.0.2.1/80": "unreachable",
    }
    turns: racing.Turns = [[("bash", {"command": one}) for one in tries]]

    ended = ground.race(
        {A: [*turns, *racing.NOTHING]}, stop_when_answered, sandbox=replace(LIMITS, network=(web,))
    )

    answers = ended.answers(A)[: len(tries)]  # the next step may have begun before the stop
    for (command, says), answer in zip(tries.items(), answers, strict=True):
        assert re.search(says, answer.text), (command, answer.text)
    told = {(one.kind, one.detail) for one in ended.of(A, e.EscapeAttempted) if one.stopped}
    assert {(Escape.NETWORK, shut), (Escape.NETWORK, "example.org")} <= told
    assert not [detail for _, detail in told if detail.endswith("/listed")]
    ended.nothing_was_touched()
    ended.nothing_is_left()


@pytest.mark.parametrize("place", ["podman"], indirect=True)
def test_a_race_through_the_socket_of_podman(ground: Ground) -> None:
    ended = ground.race({A: racing.FIX})

    assert ended.state.sandbox is not None
    assert "podman" in ended.state.sandbox.detail.lower()
    assert (ended.state.winner, ended.end(A)) == (A, HONEST)
    ended.nothing_is_told_of(A)
    ended.nothing_was_touched()
    ended.nothing_is_left()
