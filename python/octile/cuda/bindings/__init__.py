"""Counterparts of cuda.bindings: `runtime` and `driver`."""
