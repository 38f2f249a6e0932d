"""Small networks, and NumPy's word on what they compute, for the tests of the native API."""

import numpy as np

import octile


def rng():
    return np.random.default_rng(7)


def convolution(x, w, bias, pad):
    """NCHW convolution of stride 1 with `pad` zeros around, by its definition."""
    n, _, h, width = x.shape
    m, _, kh, kw = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))).astype(np.float64)
    out = np.empty((n, m, h + 2 * pad - kh + 1, width + 2 * pad - kw + 1))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            patch = padded[:, :, i : i + kh, j : j + kw]
            out[:, :, i, j] = np.tensordot(patch, w.astype(np.float64), ((1, 2, 3), (1, 2, 3)))
    return out + bias.reshape(1, -1, 1, 1)


class ConvNet:
    """x (-1, 3, 8, 8) -> convolution, ReLU, max pooling -> y (-1, 4, 4, 4)."""

    profile = {"x": ((1, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 8))}

    def __init__(self):
        self.weights = rng().standard_normal((4, 3, 3, 3)).astype(np.float32)
        self.bias = np.linspace(-1, 1, 4).astype(np.float32)
        self.network = octile.Network("convnet")
        x = self.network.add_input("x", "float32", (-1, 3, 8, 8))
        y = self.network.convolution(x, self.weights, self.bias, padding=1, name="conv")
        y = self.network.activation(y, "relu", name="relu")
        self.network.mark_output(self.network.pooling(y, "max", 2, name="pool"), "y")

    def samples(self, batches=4, size=2):
        draw = rng()
        return [draw.standard_normal((size, 3, 8, 8)).astype(np.float32) for _ in range(batches)]

    def expected(self, x):
        y = np.maximum(convolution(x, self.weights, self.bias, 1), 0)
        n, c, h, w = y.shape
        return y.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))

    def build(self, table=None, **options):
        options.setdefault("tactics", "first")
        return octile.build(self.network, table, profiles=self.profile, **options)

    def context(self, table=None, **options):
        return octile.Engine(self.build(table, **options)).create_context()


def failing(samples):
    """Batches that end in an exception."""
    yield samples[0]
    raise LookupError("no more")
