"""Bounded capture of a command's output: the head, the tail, and how much was left out."""

from __future__ import annotations

from collections import deque


class HeadTail:
    """Keeps the first and the last half of at most `limit` characters."""

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._head: list[str] = []
        self._head_room = self._half
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._elided = 0

    def add(self, text: str) -> None:
        """Take in more output."""
        if self._head_room > 0:
            taken, text = text[: self._head_room], text[self._head_room :]
            self._head.append(taken)
            self._head_room -= len(taken)
        if not text:
            return
        self._tail.append(text)
        self._tail_size += len(text)
        while self._tail_size - len(self._tail[0]) >= self._half:
            gone = self._tail.popleft()
            self._tail_size -= len(gone)
            self._elided += len(gone)

    def text(self) -> str:
        """What was kept, with the number of characters left out in the middle."""
        head, tail = "".join(self._head), "".join(self._tail)
        surplus = max(0, len(tail) - self._half)
        elided = self._elided + surplus
        if not elided:
            return head + tail
        return f"{head}\n… {elided} characters left out …\n{tail[surplus:]}"


def head_tail(text: str, limit: int = 10_000) -> str:
    """`text`, cut to its head and tail when it is longer than `limit` characters."""
    kept = HeadTail(limit)
    kept.add(text)
    return kept.text()
