"""The line that `progress=True` prints to stderr while a long call runs."""

from __future__ import annotations

import sys
import time
from typing import Optional, TextIO

_WIDTH = 20
_SECONDS_BETWEEN = 0.1


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


class ProgressLine:
    """callable(phase, done, total): one line a phase, written over until the phase ends."""

    def __init__(self, file: Optional[TextIO] = None) -> None:
        self._file = sys.stderr if file is None else file
        self._phase: Optional[str] = None
        self._begin = self._shown = 0.0
        self._open = False

    def __call__(self, phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        if phase != self._phase:
            self.close()
            self._phase, self._begin, self._shown = phase, now, 0.0
        over = 0 <= total <= done
        if not over and now - self._shown < _SECONDS_BETWEEN:
            return
        self._shown = now
        self._file.write("\r" + self._text(done, total, now - self._begin))
        self._open = True
        if over:
            self.close()
        self._file.flush()

    def _text(self, done: int, total: int, seconds: float) -> str:
        rate = f"{done / seconds:.1f}/s" if seconds > 0 and done > 0 else "?/s"
        if total <= 0:
            return f"{self._phase}: {done} [{_clock(seconds)}, {rate}]"
        share = min(done / total, 1.0)
        bar = ("#" * round(share * _WIDTH)).ljust(_WIDTH)
        left = _clock(seconds * (total - done) / done) if done > 0 else "?"
        return (
            f"{self._phase}: {share:4.0%}|{bar}| {done}/{total} [{_clock(seconds)}<{left}, {rate}]"
        )

    def close(self) -> None:
        """Ends an open line."""
        if self._open:
            self._file.write("\n")
            self._open = False

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # stderr may be gone at exit
            pass
