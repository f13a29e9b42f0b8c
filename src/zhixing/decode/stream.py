"""Tokens to text as they come: whole characters only, and never a piece of a stop string.

A model that writes bytes may write some that make no character; they are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from zhixing.tokenizer.tokenizer import Tokenizer


class TextStream:
    """The growing text of one row. `push` and `flush` return what may be shown now; put together, that is the whole text.

    prompt: ids the row began with; they decide how the first new token is written (a word piece after a word, say).
    stop: strings that end the row; neither they nor what follows is ever returned.
    """

    def __init__(self, tokenizer: Tokenizer, prompt: Sequence[int] = (), stop: Sequence[str] = ()) -> None:
        self._pieces = tokenizer.stream()
        for token in prompt:
            self._pieces.push(token)
        self._stop = tuple(stop)
        self._held = ""
        self.stopped = False
        """Whether a stop string has come."""

    def push(self, token: int) -> str:
        """The text that is certain once this token has come."""
        return self._take(self._pieces.push(token), last=False)

    def flush(self) -> str:
        """The rest, when no more tokens come."""
        return self._take(self._pieces.flush(), last=True)

    def _take(self, text: str, *, last: bool) -> str:
        if self.stopped:
            return ""
        self._held += text.replace("\ufffd", "")
        found = [place for place in map(self._held.find, self._stop) if place >= 0]
        if found:
            self.stopped = True
            shown, self._held = self._held[: min(found)], ""
            return shown
        keep = 0 if last else max((_overlap(self._held, stop) for stop in self._stop), default=0)
        cut = len(self._held) - keep
        shown, self._held = self._held[:cut], self._held[cut:]
        return shown


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that a stop string could begin with."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)
