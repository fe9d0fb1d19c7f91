"""What every test stands on: an environment of its own, real repositories, a virtual clock."""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tests.known_styles
import tests.settling  # noqa: F401  styles parsed once; pilots wait for the app
from tests.lean import make_environment
from tests.repositories import Repository
from tests.snapshot_support import Album  # and keeps the snapshots in snapshots/

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syrupy.assertion import SnapshotAssertion

# A shell starts what it puts into the background so, and nohup; programs under test must not be.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# pytest writes each test file anew for its asserts, 13 s for all: kept, whatever is set.
sys.dont_write_bytecode = False

MOST_WORKERS = 4  # a container may be told of cores that it has no share of


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Where whole folders are tested, half as many again as cores; none for a few files.

    A worker waits as long as it works: for what it has started, and for screens to come to rest.

    None also where pictures are accepted: only one process knows which of them are no longer used.
    """
    whole = any(Path(one).is_dir() for one in config.args)
    if not whole or config.getoption("update_snapshots"):
        return 0
    cores = len(os.sched_getaffinity(0))
    return min(cores + cores // 2, MOST_WORKERS)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector need not look at it again and again.

    That, and looking for the rest less often, is a quarter of the time of what paints screens.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture
def anyio_backend() -> str:
    """asyncio, which is Textual's."""
    return "asyncio"


@pytest.fixture(scope="session")
def lean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a user's environment, for projects that are measured."""
    return make_environment(tmp_path_factory.mktemp("lean") / "venv")


@pytest.fixture(scope="session", autouse=True)
def _isolation() -> Iterator[None]:
    """The one that is everywhere, also for what a whole module shares; its own tests choose.

    Where pytest runs in a sandbox with this one's folder below its `/tmp`, it takes that for an old
    one of its own, and removes it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIYABI_ISOLATION", "process")
        yield


@pytest.fixture(autouse=True)
def _own_environment(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, lean: Path
) -> None:
    """Nothing of the user's: no state, no settings of git, no key, no cache.

    What the tests start keeps its compiled modules, as everybody's Python does, and knows nothing
    of the workers that share the tests.
    """
    for name in list(os.environ):
        secret = name.endswith(("_API_KEY", "_BASE_URL", "_AUTH_TOKEN"))
        foreign = ("GIT_", "MIYABI_", "PYTEST_ADDOPTS", "PYTEST_XDIST_", "VIRTUAL_ENV")
        if name.startswith(foreign) or secret:
            monkeypatch.delenv(name)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("VIRTUAL_ENV", str(lean.parent.parent))
    home = tmp_path_factory.mktemp("home")
    (home / "gitconfig").write_text(
        "[user]\n\tname = Hana\n\temail = hana@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(lean.parents[2] / "cache"))  # bandit looks around once
    monkeypatch.setenv("MIYABI_STATE_DIR", str(home / "state"))
    monkeypatch.setenv("MIYABI_ISOLATION", "process")


@pytest.fixture
def album(snapshot: SnapshotAssertion) -> Album:
    """For several pictures of one app; `snap_compare` is for one."""
    return Album(snapshot)


@pytest.fixture
def repository(tmp_path: Path) -> Callable[..., Repository]:
    """Makes a git repository with these files in its first commit: `repository({"a.py": ""})`."""

    def make(
        files: dict[str, str | bytes] | None = None,
        *,
        name: str = "repo",
        init: tuple[str, ...] = (),
    ) -> Repository:
        return Repository.create(tmp_path / name, files or {"README": "hello\n"}, *init)

    return make
