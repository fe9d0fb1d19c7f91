"""What keeps commands apart on this machine, by trying it: for `miyabi doctor`."""

from __future__ import annotations

import functools
import secrets
import shutil
from typing import TYPE_CHECKING, Any

import anyio
from msgspec.structs import replace

from miyabi_tui.engine.checkup import BAD, OK, WARN, Check, begin
from miyabi_tui.engine.sandbox import process
from miyabi_tui.engine.sandbox.cgroups import CPU, MEMORY, PROCESSES, Cgroup
from miyabi_tui.engine.sandbox.choice import INSTALL, ORDER, Candidate, IsolationManager
from miyabi_tui.engine.scratch import scratch_folder, shared_memory
from miyabi_tui.engine.terms import Isolation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from miyabi_tui.engine.checkup import Subject
    from miyabi_tui.engine.terms import Sandboxing

ANSWER_SECONDS = 5.0  # for a daemon's first word
TRIAL_SECONDS = 15.0
NAMESPACES = (
    "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 (Ubuntu: "
    "kernel.apparmor_restrict_unprivileged_userns=0); in a container: "
    "--security-opt seccomp=unconfined"
)
DELEGATE = "start it with groups of its own: systemd-run --user --scope -p Delegate=yes miyabi …"


def isolations(subject: Subject) -> Iterator[Check]:
    """Each isolation, whether it works; and the one that a run would take."""
    owner = f"doctor{secrets.token_hex(4)}-"
    with scratch_folder(owner, shared_memory()) as temporary:
        found = _candidates(subject, temporary, owner)
    for isolation, one in found.items():
        text = one.detail or "it works"
        if isolation is Isolation.PROCESS:
            yield Check(f"isolation.{isolation}", WARN if one.advice else OK, text, one.advice)
        else:
            yield Check(f"isolation.{isolation}", OK if one.works else WARN, text, one.advice)
    if found[Isolation.DOCKER].works and (image := _image_to_come(subject)):
        yield Check("isolation.image", OK, image)
    yield _choice(subject.isolation, found)


def _choice(asked: Isolation, found: dict[Isolation, Candidate]) -> Check:
    """The first that works of those that were asked for."""
    order = ORDER if asked is Isolation.AUTO else (asked,)
    name, taken = "isolation.choice", next((one for one in order if found[one].works), None)
    if taken is None:
        advice = f'{found[asked].advice or INSTALL.get(asked, "")}, or set isolation = "auto"'
        why = f"isolation by {asked} does not work here: {found[asked].detail}"
        return Check(name, BAD, why, advice, True)
    text = f"auto takes {taken}" if asked is Isolation.AUTO else f"{taken} is set"
    if taken is not Isolation.PROCESS:
        return Check(name, OK, text)
    better = Isolation.BUBBLEWRAP
    works = [one for one in ORDER if one is not Isolation.PROCESS and found[one].works]
    advice = f'set isolation = "{works[0]}"' if works else found[better].advice
    return Check(name, BAD, f"{text}: commands are processes of yours", advice)


def _candidates(subject: Subject, temporary: Path, owner: str) -> dict[Isolation, Candidate]:
    """All three at the same time, each within its bound."""
    answers: dict[Isolation, tuple[Future[Candidate], float]] = {
        Isolation.DOCKER: (
            begin(lambda: _docker(subject, temporary, owner)),
            ANSWER_SECONDS + TRIAL_SECONDS + 2,
        ),
        Isolation.BUBBLEWRAP: (
            begin(lambda: _bubblewrap(subject.sandbox, temporary, owner)),
            TRIAL_SECONDS,
        ),
        Isolation.PROCESS: (
            begin(lambda: _process(subject.sandbox, temporary, owner)),
            TRIAL_SECONDS,
        ),
    }
    return {isolation: _within(isolation, *one) for isolation, one in answers.items()}


def _within(isolation: Isolation, answer: Future[Candidate], seconds: float) -> Candidate:
    try:
        return answer.result(seconds)
    except TimeoutError:
        why = f"its trial takes longer than {seconds:g} s"
    except Exception as error:  # whatever it is, the other two are still to be told of
        why = f"it could not be tried: {error!r}"
    works, advice = isolation is Isolation.PROCESS, INSTALL.get(isolation, "")
    return Candidate(isolation=isolation, works=works, detail=why, advice=advice)


def _look(isolation: Isolation, limits: Sandboxing, temporary: Path, owner: str) -> Candidate:
    manager = IsolationManager(isolation, limits, temporary, temporary, owner)
    return anyio.run(manager.look, isolation)


def _bubblewrap(limits: Sandboxing, temporary: Path, owner: str) -> Candidate:
    found = _look(Isolation.BUBBLEWRAP, limits, temporary, f"{owner}b")
    if found.works or not shutil.which("bwrap"):
        return found
    return replace(found, advice=NAMESPACES)


def _process(limits: Sandboxing, temporary: Path, owner: str) -> Candidate:
    """With what the kernel gives to anybody, before what it lacks."""
    found = _look(Isolation.PROCESS, limits, temporary, f"{owner}p")
    kernel = process.probe()
    landlock = f"Landlock {kernel.landlock}" if kernel.landlock else "no Landlock"
    network = "a network of its own" if kernel.network else "no network of its own"
    detail = "; ".join(filter(None, (f"{landlock}, {network}", found.detail)))
    return replace(found, detail=detail)


# --- docker ---------------------------------------------------------------------------------------


def _docker(subject: Subject, temporary: Path, owner: str) -> Candidate:
    """Tried with an image that is here: a doctor pulls and builds nothing."""
    from miyabi_tui.engine.sandbox import docker_daemon

    ask = begin(functools.partial(docker_daemon.connect, env=subject.env))
    not_here = functools.partial(Candidate, isolation=Isolation.DOCKER, works=False)
    try:
        daemon = ask.result(ANSWER_SECONDS)
    except TimeoutError:
        why = f"the Docker daemon does not answer within {ANSWER_SECONDS:g} s"
        return not_here(detail=why, advice="restart it")
    if isinstance(daemon, str):
        return not_here(detail=daemon, advice=INSTALL[Isolation.DOCKER])
    image = subject.sandbox.image if _is_here(daemon, subject.sandbox.image) else ""
    daemon.close()
    limits = replace(subject.sandbox, image=image, dockerfile="")
    trial = begin(lambda: _look(Isolation.DOCKER, limits, temporary, f"{owner}d"))
    try:
        return trial.result(TRIAL_SECONDS)
    except TimeoutError:
        why = f"{daemon.name} has made no container within {TRIAL_SECONDS:g} s"
        return not_here(detail=why, advice="try: docker run --rm hello-world")


def _is_here(daemon: Any, image: str) -> bool:
    from docker.errors import DockerException

    if not image:
        return False
    try:
        daemon.api.inspect_image(image)
    except DockerException:
        return False
    return True


def _image_to_come(subject: Subject) -> str:
    """What the first run makes before it races; empty where that is nothing."""
    from miyabi_tui.engine.sandbox.docker_image import USUAL_FILES

    if subject.sandbox.image:
        return f"{subject.sandbox.image}: pulled by the first run where it is not here"
    named = (subject.sandbox.dockerfile,) if subject.sandbox.dockerfile else USUAL_FILES
    where = subject.git.work_tree if subject.git else subject.folder
    file = next((one for one in named if (where / one).is_file()), "")
    return f"made from {file} by the first run, which takes minutes" if file else ""


# --- control groups -------------------------------------------------------------------------------


def cgroups(subject: Subject) -> Iterator[Check]:
    """Which version there is, which limits of ours hold, and whether a world can be frozen."""
    from miyabi_tui.engine.hierarchy import V2, groups

    versions = {"1": groups(subject.root, MEMORY), "2": groups(subject.root, V2)}
    there = " and ".join(version for version, found in versions.items() if found)
    yield Check("cgroups.version", OK if there else WARN, f"version {there}" if there else "none")
    group = Cgroup.make(f"doctor{secrets.token_hex(4)}", subject.sandbox)
    if group is None:
        yield Check("cgroups.limits", WARN, "none of ours: limits hold for each process", DELEGATE)
        yield Check("cgroups.freezer", WARN, "worlds are stopped process by process", DELEGATE)
        return
    try:
        missing = [one for one in (MEMORY, PROCESSES, CPU) if one not in group.holds]
        freezes = group.freezes
    finally:
        group.remove()
    text = f"limits of {', '.join(sorted(group.holds)) or 'nothing'} hold"
    if missing:
        text += f", those of {', '.join(missing)} do not"
    yield Check("cgroups.limits", WARN if missing else OK, text, DELEGATE if missing else "")
    text = "a world is frozen at once" if freezes else "worlds are stopped process by process"
    yield Check("cgroups.freezer", OK if freezes else WARN, text, "" if freezes else DELEGATE)
