"""How long threads that wait for others spin, set before GCC's OpenMP library is loaded.

libgomp reads its environment once. Its own choice, 300,000 rounds, burns a whole time slice for a
thread that is not running (docs/performance.md has the figures); the command-line program chooses
as this module does. What the user chose is left alone, and so is a libgomp that is loaded already.
"""

from __future__ import annotations

import os

_VARIABLE = "GOMP_SPINCOUNT"

if _VARIABLE in os.environ or "OMP_WAIT_POLICY" in os.environ:
    from . import _native  # noqa: F401
else:
    os.environ[_VARIABLE] = "1000"
    try:
        from . import _native  # noqa: F401
    finally:
        del os.environ[_VARIABLE]  # child processes choose for themselves
