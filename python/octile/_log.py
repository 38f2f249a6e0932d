"""Where messages go that no `log=` callback takes: the standard library's logger "octile"."""

from __future__ import annotations

import logging

_logger = logging.getLogger("octile")
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def tell(level: str, message: str) -> None:
    """One message. Python prints warnings and errors to stderr unless told otherwise."""
    _logger.log(_LEVELS[level], "%s", message)
