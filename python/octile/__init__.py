"""Octile: INT8 post-training quantization and inference.

    import octile

    network = octile.import_onnx("model.onnx")
    table = octile.calibrate(network, batches)          # arrays, sequences or dicts of arrays
    plan = octile.build(network, table, int8=True)
    context = octile.Engine(plan).create_context()
    outputs = context.run(array)                        # name -> numpy.ndarray
"""

from . import ops
from ._native import *  # noqa: F401,F403
from ._native import __version__  # noqa: F401
