"""octile.tensorrt.install()."""

from octile._aliases import install

__all__ = ["install"]
