"""Attempts to leave a worktree: what counts as one, what does not, and that each is told once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from miyabi_tui.engine import events as e
from miyabi_tui.engine.escapes import FOUND_AT_MOST, escapes_in
from miyabi_tui.engine.events import Escape, Resource
from miyabi_tui.engine.lookout import TOLD_AT_MOST, Lookout, refusals_in
from miyabi_tui.engine.sentinel import Sentinel
from miyabi_tui.engine.worlds import WorldId
from tests.repositories import Repository

if TYPE_CHECKING:
    from miyabi_tui.engine.publisher import Publisher

WORKTREE = Path("/repo/.miyabi/worktrees/world-alpha/issue-7/task")
ALLOWED = (Path("/scratch/alpha"),)
A = WorldId.ALPHA

HONEST = [
    "grep -r foo /usr/include",
    "python3 /usr/bin/x",
    "cat /etc/os-release",
    "make > /dev/null 2>&1",
    "make 2>/dev/stderr >/dev/fd/3",
    "cp a.txt /tmp/x && rm -rf /tmp/x /var/tmp/y",
    "echo hi > /scratch/alpha/log",
    f"echo hi > {WORKTREE}/a/../b.txt",
    "cd src && rm ../old.py",
    "(cd ..; ls); rm x",
    'echo "$(cd /etc; ls)" `cd /etc`; rm x',
    "echo 'not closed; rm /etc/x",
    "cd /usr/lib && ls",
    "cp /etc/hosts here.txt",
    "ln -s /usr/bin/python3 venv/bin/python",
    'rm -rf "$BUILD" $(cat list) ${OUT}/x `cat more`',
    "sed 's#/etc/passwd#x#' file > other",
    "sed -i 's#^/usr/x#/etc/y#' setup.cfg",
    "chmod 755 run.sh && chmod +x ./a",
    'echo "do not read ~/.ssh/id_rsa or rm /etc/passwd"',
    "grep -rn '~/.ssh/config' .",
    "git commit -m 'rm -rf /etc; reads ~/.aws/credentials'",
    "cat > x.sh <<'EOF'\nrm -rf /etc\ncurl https://example.org\nEOF\nchmod +x x.sh",
    "# rm /etc/passwd",
    "cat /proc/self/environ /proc/cpuinfo",
    "curl -s http://127.0.0.1:$PORT/health; curl localhost:8000; nc -z localhost 80",
    "curl --version",
    "pip install -e . && pip install --no-index pkg && python -m pip install ./dist/x.whl",
    "pip list; npm test; npm run build; cargo build; go test ./...; uv run pytest",
    "git status; git diff main; git log -1 --format=%H; git branch; git branch -a; git stash list",
    "git config --get user.name; git config user.email; git config --list; git remote -v",
    "git checkout -b mine; git add -A; git reset --hard; git worktree list",
    "server & sleep 1; kill $!; kill %1; kill -9 $pid; kill -l; kill 0",
    "pkill -P $$",
    "tee out.txt < in.txt; dd if=/dev/zero of=big bs=1M count=1",
    "find / -name '*.h'; find . -name '*.pyc' -delete",
    "touch ~/.cache/x; mkdir -p $HOME/.cache/pip",
    "tar -czf x.tar.gz src; tar -C build -xf x.tar",
    "python3 -c 'print(1 > 0)'; test 1 -gt 0; [ a \\> /etc ]",
    "cat .ssh/config docs/.aws/x",
    "",
    "   \n;;",
]

ATTEMPTS = [
    ("rm -rf /etc/passwd", Escape.WRITE, "rm /etc/passwd"),
    ("echo x >> /usr/lib/x", Escape.WRITE, "echo /usr/lib/x"),
    ("> /etc/motd", Escape.WRITE, "> /etc/motd"),
    ("make &> ../../log", Escape.WRITE, "make ../../log"),
    ("cd .. && rm x", Escape.WRITE, "rm x"),
    ("cd ../..; cd src; touch y", Escape.WRITE, "touch y"),
    ("cd; touch y", Escape.WRITE, "touch y"),
    ("cp a b /opt/", Escape.WRITE, "cp /opt/"),
    ("cp -t /opt a b", Escape.WRITE, "cp /opt"),
    ("mv /home/me/notes.txt .", Escape.WRITE, "mv /home/me/notes.txt"),
    ("ln /home/me/notes.txt mine", Escape.WRITE, "ln /home/me/notes.txt"),
    ("ln -s x /usr/local/bin/x", Escape.WRITE, "ln /usr/local/bin/x"),
    ("chmod 777 /etc/shadow", Escape.WRITE, "chmod /etc/shadow"),
    ("sed -i s/a/b/ /etc/hosts", Escape.WRITE, "sed /etc/hosts"),
    ("perl -pi -e s/a/b/ /etc/hosts", Escape.WRITE, "perl /etc/hosts"),
    ("dd if=/dev/zero of=/opt/big", Escape.WRITE, "dd /opt/big"),
    ("echo x | sudo tee -a /etc/hosts", Escape.WRITE, "tee /etc/hosts"),
    ("mkdir -p ~/bin", Escape.WRITE, "mkdir ~/bin"),
    ("echo x >> $HOME/.bashrc", Escape.WRITE, "echo $HOME/.bashrc"),
    ("find /srv -name x -delete", Escape.WRITE, "find /srv"),
    ("tar -xf a.tar -C /opt", Escape.WRITE, "tar /opt"),
    (f"touch {WORKTREE}-other/x", Escape.WRITE, f"touch {WORKTREE}-other/x"),
    ('bash -c "rm /etc/x"', Escape.WRITE, "rm /etc/x"),
    ("bash <<E\nrm /etc/x\nE", Escape.WRITE, "rm /etc/x"),
    ('eval "rm /etc/x"', Escape.WRITE, "rm /etc/x"),
    ("sudo -u me sh -c 'cd /etc; rm x'", Escape.WRITE, "rm x"),
    ("uv run rm /etc/x", Escape.WRITE, "rm /etc/x"),
    ("find . -exec rm /etc/x \\;", Escape.WRITE, "rm /etc/x"),
    ('echo "$(echo "$(rm /etc/x)")"', Escape.WRITE, "rm /etc/x"),
    ("rm /etc/x; echo 'cut", Escape.WRITE, "rm /etc/x"),
    ("((cd src); cd ..; touch y)", Escape.WRITE, "touch y"),
    ("if true; then rm /etc/x; fi", Escape.WRITE, "rm /etc/x"),
    ("A=1 timeout -k 5 10 env B=2 rm /etc/x", Escape.WRITE, "rm /etc/x"),
    ("ls | xargs -n 1 rm /etc/x", Escape.WRITE, "rm /etc/x"),
    ("/bin/rm '/etc/a b'", Escape.WRITE, "rm /etc/a b"),
    ("cat ~/.ssh/id_rsa", Escape.READ, "cat ~/.ssh"),
    ('x="$(cat ~/.ssh/id_rsa)"', Escape.READ, "cat ~/.ssh"),
    ("tar czf k.tgz $HOME/.aws", Escape.READ, "tar $HOME/.aws"),
    ("grep token ~/.config/gh/hosts.yml", Escape.READ, "grep ~/.config/gh"),
    ("cp /root/.netrc .", Escape.READ, "cp /root/.netrc"),
    ("cat /etc/shadow", Escape.READ, "cat /etc/shadow"),
    ("cat /proc/*/environ", Escape.READ, "cat /proc/*/environ"),
    ("tr '\\0' '\\n' < x; strings /proc/$PPID/environ", Escape.READ, "strings /proc/$PPID/environ"),
    (
        "python3 -c \"print(open('/home/me/.ssh/id_rsa').read())\"",
        Escape.READ,
        "python3 /home/me/.ssh",
    ),
    ("python - <<'E'\nopen('/root/.aws/credentials')\nE", Escape.READ, "python /root/.aws"),
    ("python3 <<< \"open('/root/.aws/x')\"", Escape.READ, "python3 /root/.aws"),
    ("echo x > .git/hooks/pre-commit", Escape.GIT, "echo .git/hooks/pre-commit"),
    ("echo x > /repo/.git/config", Escape.GIT, "echo /repo/.git/config"),
    ("echo 'gitdir: x' > .git", Escape.GIT, "echo .git"),
    ("git update-ref refs/heads/x HEAD", Escape.GIT, "git update-ref refs/heads/x HEAD"),
    ("git branch -f world-beta HEAD", Escape.GIT, "git branch -f world-beta HEAD"),
    ("git -C /repo branch -D main", Escape.GIT, "git -C /repo branch -D main"),
    ("git push origin HEAD", Escape.GIT, "git push origin HEAD"),
    ("git config core.hooksPath x", Escape.GIT, "git config core.hooksPath x"),
    ("git stash", Escape.GIT, "git stash"),
    ("git worktree remove x", Escape.GIT, "git worktree remove x"),
    ("curl https://example.org/x", Escape.NETWORK, "curl https://example.org/x"),
    ("wget -q example.org", Escape.NETWORK, "wget -q example.org"),
    ("pip install requests", Escape.NETWORK, "pip install requests"),
    ("python3 -m pip install x", Escape.NETWORK, "python3 -m pip install x"),
    ("pip install -r req.txt", Escape.NETWORK, "pip install -r req.txt"),
    ("uv pip install x", Escape.NETWORK, "uv pip install x"),
    ("npm ci", Escape.NETWORK, "npm ci"),
    ("git clone https://x.org/y", Escape.NETWORK, "git clone https://x.org/y"),
    ("ssh me@host.org", Escape.NETWORK, "ssh me@host.org"),
    ("kill -9 $PPID", Escape.PROCESS, "kill -9 $PPID"),
    ("kill 1", Escape.PROCESS, "kill 1"),
    ("kill -9 -1", Escape.PROCESS, "kill -9 -1"),
    ("kill -s TERM 4711", Escape.PROCESS, "kill -s TERM 4711"),
    ("pkill -f miyabi", Escape.PROCESS, "pkill -f miyabi"),
    ("docker ps", Escape.PROCESS, "docker ps"),
    ("nsenter -t 1 -a sh", Escape.PROCESS, "nsenter -t 1 -a sh"),
]


@pytest.mark.parametrize("command", HONEST)
def test_honest_work_is_no_escape(command: str) -> None:
    assert escapes_in(command, WORKTREE, ALLOWED) == []


@pytest.mark.parametrize(("command", "kind", "detail"), ATTEMPTS)
def test_an_attempt_is_found_with_its_words(command: str, kind: Escape, detail: str) -> None:
    assert (kind, detail) in escapes_in(command, WORKTREE, ALLOWED)


def test_several_in_one_line_and_not_without_end() -> None:
    found = escapes_in("rm /etc/a; cat ~/.ssh/x; rm /etc/a; curl x.org", WORKTREE)
    assert [kind for kind, _ in found] == [Escape.WRITE, Escape.READ, Escape.NETWORK]
    many = "; ".join(f"rm /etc/{number}" for number in range(100))
    assert len(escapes_in(many, WORKTREE)) == FOUND_AT_MOST
    [(_, detail)] = escapes_in(f"rm /etc/{'x' * 500}", WORKTREE)
    assert len(detail) == 120


WORDS = ["rm", "cd", "..", "/etc", "bash -c", "'", '"', "$(", ")", "<<E\n", "\nE\n", ">", "\\", "|"]


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS)).map(" ".join)))
@example("<<E <<E\nE")
@example("\0" + "7 rm")
@example('bash -c "bash -c \\"bash -c x\\""')
@example("git -C")
@example("kill -s")
def test_no_text_is_too_strange(text: str) -> None:
    for kind, _ in [*escapes_in(text, WORKTREE), *refusals_in(text, WORKTREE)]:
        assert isinstance(kind, (Escape, Resource))


@pytest.mark.parametrize(
    "text",
    ['"' * 50_001, "\\" * 50_001, "(" * 50_000, "<<A\n" * 20_000, "a'b" * 20_001, "-" * 10**6],
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    escapes_in(text, WORKTREE)
    refusals_in(text, WORKTREE)
    assert time.process_time() - began < 1.0


# --- what the kernel said -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "kind", "detail"),
    [
        ("rm: cannot remove '/etc/x': Read-only file system", Escape.WRITE, "/etc/x"),
        ("bash: line 1: /etc/motd: Permission denied", Escape.WRITE, "/etc/motd"),
        ("touch: cannot touch '/usr/x y': Permission denied", Escape.WRITE, "/usr/x y"),
        ("OSError: [Errno 30] Read-only file system: '/opt/x'", Escape.WRITE, "/opt/x"),
        ("Error: EROFS: read-only file system, open '/srv/x'", Escape.WRITE, "/srv/x"),
        ("cat: /etc/shadow: Permission denied", Escape.READ, "/etc/shadow"),
        ("ls: cannot open directory '/root': Permission denied", Escape.READ, "/root"),
        (
            "error: could not lock config file /repo/.git/config: Read-only file system",
            Escape.GIT,
            "/repo/.git/config",
        ),
        (f"bash: {WORKTREE}/.git: Read-only file system", Escape.GIT, f"{WORKTREE}/.git"),
        ("bash: line 1: kill: (1) - Operation not permitted", Escape.PROCESS, "process 1"),
        ("curl: (6) Could not resolve host: example.org", Escape.NETWORK, "example.org"),
        ("connect: Network is unreachable", Escape.NETWORK, "the network"),
        ("Error: getaddrinfo EAI_AGAIN registry.x.org", Escape.NETWORK, "registry.x.org"),
        (
            "socket.gaierror: [Errno -3] Temporary failure in name resolution",
            Escape.NETWORK,
            "the network",
        ),
        (
            "bash: fork: retry: Resource temporarily unavailable",
            Resource.PROCESSES,
            "bash: fork: retry: Resource temporarily unavailable",
        ),
        (
            "OSError: [Errno 12] Cannot allocate memory",
            Resource.MEMORY,
            "OSError: [Errno 12] Cannot allocate memory",
        ),
        (
            "dd: error writing 'x': File too large",
            Resource.DISK,
            "dd: error writing 'x': File too large",
        ),
    ],
)
def test_a_refusal_names_what_it_was_about(line: str, kind: Escape | Resource, detail: str) -> None:
    assert refusals_in(f"first\n{line}\nlast\n", WORKTREE) == [(kind, detail)]


@pytest.mark.parametrize(
    "line",
    [
        f"bash: {WORKTREE}/run.sh: Permission denied",
        "bash: ./run.sh: Permission denied",
        "cannot write '/dev/full': Permission denied",
        "test_read_only_file_system PASSED",
        "the docs say /etc/x may be read",
        "connect to 127.0.0.1 port 80: Connection refused",
    ],
)
def test_other_lines_are_no_refusals(line: str) -> None:
    assert refusals_in(line, WORKTREE) == []


# --- telling it ---------------------------------------------------------------------------------


class Journal:
    """Takes what is published."""

    def __init__(self) -> None:
        self.events: list[e.AnyEvent] = []

    def post(self, event: e.AnyEvent) -> None:
        self.events.append(event)

    @property
    def attempts(self) -> list[tuple[Escape, str, bool]]:
        found = [one for one in self.events if isinstance(one, e.EscapeAttempted)]
        return [(one.kind, one.detail, one.stopped) for one in found]


def lookout(journal: Journal, *stops: Escape, network: bool = False) -> Lookout:
    publisher = cast("Publisher", journal)
    return Lookout(publisher, A, WORKTREE, stops=stops, allowed=ALLOWED, network=network)


def test_an_attempt_is_told_once_with_its_call() -> None:
    journal = Journal()
    watched = lookout(journal, Escape.WRITE)
    for call in ("c1", "c2"):
        watched.saw("rm /etc/x", "", call)
    watched.saw("make", "ok", "c3")
    assert journal.events == [
        e.EscapeAttempted(
            world=A, kind=Escape.WRITE, detail="rm /etc/x", stopped=True, call_id="c1"
        )
    ]


def test_what_nothing_holds_back_was_not_stopped_unless_the_kernel_said_so() -> None:
    journal = Journal()
    watched = lookout(journal)
    watched.saw("rm /etc/x", "")
    watched.saw("rm /etc/y", "rm: cannot remove '/etc/y': Permission denied")
    watched.saw("./tool", "open /etc/z: Permission denied")
    assert journal.attempts == [
        (Escape.WRITE, "rm /etc/x", False),
        (Escape.WRITE, "rm /etc/y", True),
        (Escape.WRITE, "refused: /etc/z", True),
    ]


def test_an_allowed_network_is_no_escape() -> None:
    journal = Journal()
    lookout(journal, network=True).saw("curl https://x.org", "Could not resolve host: x.org")
    assert journal.events == []


def test_a_limit_that_was_met_is_a_notice() -> None:
    journal = Journal()
    watched = lookout(journal)
    for _ in range(2):
        watched.saw(":(){ :|:& };:", "bash: fork: Resource temporarily unavailable\n" * 100)
    [notice] = journal.events
    assert isinstance(notice, e.Notice) and notice.world is A
    assert notice.text.startswith("Alpha ran into its limit on processes: bash: fork")


def test_our_own_note_of_a_limit_is_told_without_its_brackets() -> None:
    journal = Journal()
    note = "[something here was ended: over the memory limit of 2 GB]"
    lookout(journal).saw("python3 hog.py", f"begun\n{note}\n")
    [notice] = journal.events
    assert isinstance(notice, e.Notice)
    assert notice.text == f"Alpha ran into its limit on memory: {note[1:-1]}"


def test_a_world_that_never_ends_trying_is_told_so_often() -> None:
    journal = Journal()
    watched = lookout(journal)
    for number in range(2 * TOLD_AT_MOST):
        watched.saw(f"rm /etc/{number}", "")
    assert len(journal.events) == TOLD_AT_MOST


# --- traces -------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository.create(tmp_path / "repo", {"a.txt": "a\n"})
    for name in ("alpha", "beta"):
        made.git("branch", name)
    return made


def test_the_repository_is_compared_with_what_it_was(repository: Repository) -> None:
    sentinel = Sentinel(repository.opened())
    sentinel.begin("Alpha", "alpha")
    assert sentinel.end("Alpha") == []
    sentinel.begin("Alpha", "alpha")
    repository.git("config", "core.fsmonitor", "evil")
    hook = repository.path / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\n")
    repository.git("branch", "-D", "beta")
    repository.git("update-ref", "refs/heads/alpha", repository.commit("second"))
    found = sentinel.end("Alpha")
    assert ".git/config was changed while Alpha ran" in found
    assert ".git/hooks/pre-commit was made while Alpha ran" in found
    assert "branch beta was removed while Alpha ran" in found
    assert "branch main was changed while Alpha ran" in found
    assert not [one for one in found if "branch alpha" in one]
    sentinel.begin("Alpha", "alpha")
    hook.chmod(0o755)
    assert sentinel.end("Alpha") == [".git/hooks/pre-commit was changed while Alpha ran"]


def test_the_others_that_ran_are_named_and_their_branches_are_theirs(
    repository: Repository,
) -> None:
    sentinel = Sentinel(repository.opened())
    sentinel.begin("Alpha", "alpha")
    sentinel.begin("Beta", "beta")
    repository.git("branch", "-f", "beta", repository.commit("more"))
    repository.git("tag", "v1")
    found = sentinel.end("Alpha")
    assert "tags/v1 was made while Alpha ran (Beta ran too)" in found
    assert not [one for one in found if "branch beta" in one]
    repository.git("checkout", "-q", "alpha")
    found = sentinel.end("Beta")
    assert "what is checked out in your checkout was changed while Beta ran" in found


def test_what_miyabi_changed_itself_is_taken_as_it_is(repository: Repository) -> None:
    sentinel = Sentinel(repository.opened())
    sentinel.begin("Alpha", "alpha")
    repository.git("branch", "gamma")
    repository.git("update-ref", "refs/miyabi/x", "HEAD")
    sentinel.renew()
    assert sentinel.end("Alpha") == []
