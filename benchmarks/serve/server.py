"""The server that is measured: octile-serve's own parts, with one engine or the other in them.

    server.py octile|onnxruntime MODEL_DIR HTTP_PORT GRPC_PORT

Protocol, queue and batches are the same code for both; only what computes a batch differs. Each
engine has one instance of one thread, whose processor time is counted.
"""

import math
import sys
import time
from collections import namedtuple

MOST = 32


class OnnxRuntime:
    """A session as OctileModel wants an engine: any number of rows up to MOST."""

    Binding = namedtuple("Binding", "name dtype shape")
    unbatched, batched = "", True
    instances = threads = 1
    most_rows = MOST

    def __init__(self, path):
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(path), settings, providers=["CPUExecutionProvider"]
        )
        self.inputs = self._described(self._session.get_inputs())
        self.outputs = self._described(self._session.get_outputs())

    def _described(self, values):
        import numpy as np

        assert all(v.type == "tensor(float)" for v in values)
        shapes = [[d if isinstance(d, int) else -1 for d in v.shape] for v in values]
        return [self.Binding(v.name, np.dtype("float32"), s) for v, s in zip(values, shapes)]

    @property
    def most_values(self):
        return sum(math.prod(MOST if n < 0 else n for n in b.shape) for b in self.inputs)

    def capacity(self, shapes):
        return self.most_rows

    def run(self, instance, inputs):
        names = [b.name for b in self.outputs]
        return dict(zip(names, self._session.run(names, inputs)))


def main():
    kind, folder, http_port, grpc_port = sys.argv[1:]
    sys.argv[1:] = []
    from prometheus_client import Counter

    from octile import _serve_cli, serve

    engine_seconds = Counter("bench_engine_cpu_seconds", "Processor time of the engine's thread")

    class Model(serve.OctileModel):
        def make_engine(self, path, options):
            engine = (
                OnnxRuntime(path) if kind == "onnxruntime" else super().make_engine(path, options)
            )
            run = engine.run

            def timed(instance, inputs):
                start = time.thread_time()
                try:
                    return run(instance, inputs)
                finally:
                    engine_seconds.inc(time.thread_time() - start)

            engine.run = timed
            return engine

    _serve_cli.configure_logging(access_log=False)
    # "any": the float engine gets batches as the others do.
    options = serve.Options(instances=1, threads=1, batching="any")
    repository = serve.OctileRepository(folder, options, model_class=Model)
    repository.load_models()
    serve.OctileServer(
        repository, host="127.0.0.1", http_port=int(http_port), grpc_port=int(grpc_port)
    ).serve()


if __name__ == "__main__":
    main()
