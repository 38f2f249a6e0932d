"""Counterparts of cuda-python's modules: `from octile.cuda import cudart`, `octile.cuda.bindings`."""
