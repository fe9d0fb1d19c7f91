"""What the commit of a snapshot says of itself: the journal may be lost, the refs are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.repo.git import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from miyabi_tui.engine.repo.git import Git

SUBJECT = 100
ON_BRANCH, DETACHED = "branch", "detached"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Whose content a snapshot is, why it was kept, and where the worktree's git stood.

    `head` and `tip` are the commits of HEAD and of the worktree's branch, empty where there was
    none; `on` says whether HEAD was on that branch, detached, or on another one, by its name.
    `inside` are repositories whose files are in it, `left_out` files that could not be read.
    """

    run: str = ""
    world: str = ""
    kind: str = ""
    step: int = 0
    reason: str = ""
    base: str = ""
    head: str = ""
    on: str = ON_BRANCH
    tip: str = ""
    inside: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def message(self) -> str:
        """The commit's message: a line for people, then one `Miyabi-…` line for each field."""
        reason = " ".join(printable(self.reason).replace("\0", " ").split())
        subject = f"{self.world}, step {self.step}: {reason}"
        if len(subject) > SUBJECT:
            subject = f"{subject[: SUBJECT - 1]}…"
        said = msgspec.structs.replace(self, reason=reason)
        return "\n".join([subject, "", *said._lines()])

    def _lines(self) -> Iterable[str]:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            values = value if isinstance(value, tuple) else (value,)
            for one in values:
                yield f"{_key(name)}: {' '.join(printable(str(one)).split())}"

    @classmethod
    def of(cls, git: Git, commit: str) -> Note:
        """The note of a commit; an empty one where it is no snapshot. Blocks.

        Raises:
            GitError: there is no such commit.
        """
        _, raw = git.run("cat-file", "commit", commit)
        return cls.read(raw.partition("\n\n")[2])

    @classmethod
    def read(cls, message: str) -> Note:
        """The note in a commit's message; an empty one where there is none."""
        found: dict[str, list[str]] = {}
        for line in message.splitlines():
            key, colon, value = line.partition(":")
            if colon and key.startswith("Miyabi-"):
                found.setdefault(key, []).append(value.strip())

        def one(name: str) -> str:
            return found.get(_key(name), [""])[-1]

        step = one("step")
        return cls(
            run=one("run"),
            world=one("world"),
            kind=one("kind"),
            step=int(step) if step.isdigit() else 0,
            reason=one("reason"),
            base=one("base"),
            head=one("head"),
            on=one("on") or ON_BRANCH,
            tip=one("tip"),
            inside=tuple(found.get(_key("inside"), ())),
            left_out=tuple(found.get(_key("left_out"), ())),
        )


def _key(name: str) -> str:
    return f"Miyabi-{name.replace('_', '-').title()}"
