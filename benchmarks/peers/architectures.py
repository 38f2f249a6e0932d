"""The benchmark's networks as ONNX, with random weights: batch norm folded, batch symbolic.

They stand in where no trained model lies at hand. Weights are scaled as He et al. do (a convolution
keeps its input's variance through its activation) and what a residual adds is damped, so that
activations stay near one and INT8 has something real to lose.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Nodes in order; tensors are names, `channels` remembers what each carries."""

    def __init__(self, name, shape, given=()):
        """`given`: weights to take, in the order of asking, instead of drawing them."""
        self.name, self.rng, self.given = name, np.random.default_rng(0), list(given)
        self.nodes, self.weights, self.channels, self.count = [], [], {"input": shape[0]}, 0
        self.input = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *shape])

    def constant(self, values):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, op, inputs, channels=None, **attributes):
        self.count += 1
        out = f"{op.lower()}{self.count}"
        self.nodes.append(helper.make_node(op, inputs, [out], name=out, **attributes))
        self.channels[out] = channels or self.channels.get(inputs[0])
        return out

    def normal(self, shape, deviation):
        if self.given:  # PyTorch keeps fully connected weights (out, in), MatMul wants (in, out)
            weights = self.given.pop(0)
            return weights if weights.ndim != 2 else weights.T
        return (self.rng.standard_normal(shape, np.float32) * np.float32(deviation)).astype(
            np.float32
        )

    def act(self, x, kind):
        if kind == "relu6":
            return self.node(
                "Clip", [x, self.constant(np.float32(0)), self.constant(np.float32(6))]
            )
        if kind == "silu":
            return self.node("Mul", [x, self.node("Sigmoid", [x])])
        return self.node("Relu", [x]) if kind == "relu" else x

    def conv(self, x, channels, kernel=1, stride=1, groups=1, act="relu", pads=None, gain=1.0):
        kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        into = self.channels[x]
        fan = into // groups * kernel[0] * kernel[1]
        deviation = gain * np.sqrt((2.0 if act else 1.0) / fan)
        weights = self.constant(self.normal((channels, into // groups, *kernel), deviation))
        bias = self.constant(self.normal(channels, 0.1))
        pads = pads or [kernel[0] // 2, kernel[1] // 2] * 2
        y = self.node(
            "Conv",
            [x, weights, bias],
            channels,
            kernel_shape=kernel,
            strides=[stride] * 2,
            group=groups,
            pads=pads,
        )
        return self.act(y, act)

    def depthwise(self, x, kernel=3, stride=1, act="relu", pads=None):
        c = self.channels[x]
        return self.conv(x, c, kernel, stride, groups=c, act=act, pads=pads)

    def dense(self, x, width, gain=1.0):
        """MatMul and Add with constant weights, on the last axis."""
        into = self.channels[x]
        y = self.node(
            "MatMul", [x, self.constant(self.normal((into, width), gain / np.sqrt(into)))], width
        )
        return self.node("Add", [y, self.constant(self.normal(width, 0.1))], width)

    def add(self, a, b):
        return self.node("Add", [a, b])

    def concat(self, *parts, axis=1):
        return self.node("Concat", list(parts), sum(self.channels[p] for p in parts), axis=axis)

    def pool(self, x, op, kernel, stride, pads=0):
        return self.node(op, [x], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pads] * 4)

    def reshape(self, x, shape, channels=None):
        return self.node("Reshape", [x, self.constant(np.array(shape, np.int64))], channels)

    def classify(self, x, classes):
        x = self.node("Flatten", [self.node("GlobalAveragePool", [x])])
        weights = self.constant(
            self.normal((classes, self.channels[x]), 1 / np.sqrt(self.channels[x]))
        )
        return self.node(
            "Gemm", [x, weights, self.constant(self.normal(classes, 0.1))], classes, transB=1
        )

    def model(self, output, rank):
        dims = ["batch", *(f"d{i}" for i in range(1, rank))]
        out = helper.make_tensor_value_info(output, TensorProto.FLOAT, dims)
        graph = helper.make_graph(self.nodes, self.name, [self.input], [out], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model


def resnet50():
    g = Graph("resnet50", (3, 224, 224))
    x = g.pool(g.conv("input", 64, 7, 2), "MaxPool", 3, 2, 1)
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            s = stride if block == 0 else 1
            y = g.conv(g.conv(g.conv(x, width), width, 3, s), width * 4, act=None, gain=0.7)
            shortcut = g.conv(x, width * 4, stride=s, act=None) if block == 0 else x
            x = g.act(g.add(y, shortcut), "relu")
    return g.model(g.classify(x, 1000), 2)


def inverted_residuals(name, stages, head):
    """MobileNetV2's blocks: stages of (kernel, stride, expansion, channels, blocks)."""
    g = Graph(name, (3, 224, 224))
    x = g.conv("input", 32, 3, 2, act="relu6")
    for kernel, stride, expansion, channels, blocks in stages:
        for block in range(blocks):
            s = stride if block == 0 else 1
            y = g.conv(x, g.channels[x] * expansion, act="relu6") if expansion > 1 else x
            same = s == 1 and g.channels[x] == channels
            y = g.conv(
                g.depthwise(y, kernel, s, "relu6"), channels, act=None, gain=0.7 if same else 1.4
            )
            x = g.add(y, x) if same else y
    return g.model(g.classify(g.conv(x, head, act="relu6"), 1000), 2)


def mobilenetv2():
    return inverted_residuals(
        "mobilenetv2",
        (
            (3, 1, 1, 16, 1),
            (3, 2, 6, 24, 2),
            (3, 2, 6, 32, 3),
            (3, 2, 6, 64, 4),
            (3, 1, 6, 96, 3),
            (3, 2, 6, 160, 3),
            (3, 1, 6, 320, 1),
        ),
        1280,
    )


def efficientnet_lite0():
    return inverted_residuals(
        "efficientnet_lite0",
        (
            (3, 1, 1, 16, 1),
            (3, 2, 6, 24, 2),
            (5, 2, 6, 40, 2),
            (3, 2, 6, 80, 3),
            (5, 1, 6, 112, 3),
            (5, 2, 6, 192, 4),
            (3, 1, 6, 320, 1),
        ),
        1280,
    )


def resnet20():
    g = Graph("resnet20", (3, 32, 32))
    x = g.conv("input", 16, 3)
    for width, stride in ((16, 1), (32, 2), (64, 2)):
        for block in range(3):
            s = stride if block == 0 else 1
            y = g.conv(g.conv(x, width, 3, s), width, 3, act=None, gain=0.7)
            if s == 2:  # the shortcut without weights: every second place, zeros for new channels
                indices = [
                    g.constant(np.array(v, np.int64)) for v in ([0, 0], [99, 99], [2, 3], [2, 2])
                ]
                pads = g.constant(np.array([0, width // 4, 0, 0] * 2, np.int64))
                x = g.node("Pad", [g.node("Slice", [x, *indices]), pads], width)
            x = g.act(g.add(y, x), "relu")
    return g.model(g.classify(x, 10), 2)


def kws():
    """DS-CNN of MLPerf Tiny: 49 frames of 10 coefficients."""
    g = Graph("kws", (1, 49, 10))
    x = g.conv("input", 64, (10, 4), 2, pads=[4, 1, 5, 1])
    for _ in range(4):
        x = g.conv(g.depthwise(x), 64)
    return g.model(g.node("Softmax", [g.classify(x, 12)]), 2)


def mnist(weights=None):
    """The demo's CNN; `weights`: examples/mnist/para.npz."""
    names = [
        f"{layer}.{part}"
        for layer in ("conv1", "conv2", "fc1", "fc2")
        for part in ("weight", "bias")
    ]
    g = Graph(
        "mnist", (1, 28, 28), [weights[name] for name in names] if weights is not None else ()
    )
    x = "input"
    for channels in (32, 64):
        x = g.pool(g.conv(x, channels, 5), "MaxPool", 2, 2)
    x = g.reshape(x, (0, 64 * 7 * 7), 64 * 7 * 7)
    x = g.act(g.dense(x, 1024), "relu")
    return g.model(g.dense(x, 10), 2)


class Yolox(Graph):
    """The pieces of YOLOX-nano: width 0.25, depth 0.33, depthwise."""

    def dw(self, x, channels, stride=1):
        return self.conv(self.depthwise(x, 3, stride, "silu"), channels, act="silu")

    def point(self, x, channels):
        return self.conv(x, channels, act="silu")

    def csp(self, x, channels, blocks, shortcut):
        hidden = channels // 2
        a, b = self.point(x, hidden), self.point(x, hidden)
        for _ in range(blocks):
            y = self.dw(self.point(a, hidden), hidden)
            a = self.add(y, a) if shortcut else y
        return self.point(self.concat(a, b), channels)

    def focus(self):
        def every(x, start, axis):
            index = [self.constant(np.array([v], np.int64)) for v in (start, 10**6, axis, 2)]
            return self.node("Slice", [x, *index])

        return self.concat(*(every(every("input", i, 2), j, 3) for j in (0, 1) for i in (0, 1)))

    def spp(self, x, channels):
        x = self.point(x, channels // 2)
        return self.point(
            self.concat(x, *(self.pool(x, "MaxPool", k, 1, k // 2) for k in (5, 9, 13))), channels
        )

    def up(self, x):
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.node(
            "Resize",
            [x, "", scales],
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )

    def head(self, x):
        x = self.point(x, 64)
        classes, boxes = self.dw(self.dw(x, 64), 64), self.dw(self.dw(x, 64), 64)
        parts = [self.conv(boxes, 4, act=None)]
        parts += [
            self.node("Sigmoid", [self.conv(y, n, act=None)])
            for y, n in ((boxes, 1), (classes, 80))
        ]
        return self.reshape(self.concat(*parts), (0, 85, -1), 85)


def yolox_nano():
    g = Yolox("yolox_nano", (3, 416, 416))
    x = g.conv(g.focus(), 16, 3, act="silu")
    x = g.csp(g.dw(x, 32, 2), 32, 1, True)
    c3 = g.csp(g.dw(x, 64, 2), 64, 3, True)
    c4 = g.csp(g.dw(c3, 128, 2), 128, 3, True)
    c5 = g.csp(g.spp(g.dw(c4, 256, 2), 256), 256, 1, False)
    p5 = g.point(c5, 128)
    p4 = g.csp(g.concat(g.up(p5), c4), 128, 1, False)
    p4 = g.point(p4, 64)
    n3 = g.csp(g.concat(g.up(p4), c3), 64, 1, False)
    n4 = g.csp(g.concat(g.dw(n3, 64, 2), p4), 128, 1, False)
    n5 = g.csp(g.concat(g.dw(n4, 128, 2), p5), 256, 1, False)
    boxes = g.concat(*(g.head(n) for n in (n3, n4, n5)), axis=2)
    return g.model(g.node("Transpose", [boxes], perm=[0, 2, 1]), 3)


def bert_block():
    """An encoder block of BERT-base: 128 tokens of 768, 12 heads, exact GELU."""
    hidden, heads = 768, 12
    g = Graph("bert_block", (128, hidden))
    g.channels["input"] = hidden

    def norm(x):
        return g.node(
            "LayerNormalization",
            [x, g.constant(1 + g.normal(hidden, 0.1)), g.constant(g.normal(hidden, 0.1))],
            axis=-1,
            epsilon=1e-12,
        )

    def head(x, perm):
        x = g.reshape(g.dense(x, hidden), (0, 0, heads, hidden // heads))
        return g.node("Transpose", [x], perm=perm)

    q, k, v = head("input", [0, 2, 1, 3]), head("input", [0, 2, 3, 1]), head("input", [0, 2, 1, 3])
    scores = g.node("Div", [g.node("MatMul", [q, k]), g.constant(np.float32(8))])
    x = g.node("MatMul", [g.node("Softmax", [scores], axis=-1), v])
    x = g.reshape(g.node("Transpose", [x], perm=[0, 2, 1, 3]), (0, 0, hidden), hidden)
    x = norm(g.add(g.dense(x, hidden), "input"))
    y = g.dense(x, hidden * 4)
    erf = g.node("Erf", [g.node("Div", [y, g.constant(np.float32(np.sqrt(2)))])])
    y = g.node("Mul", [y, g.node("Add", [erf, g.constant(np.float32(1))])])
    y = g.node("Mul", [y, g.constant(np.float32(0.5))])
    return g.model(norm(g.add(g.dense(y, hidden), x)), 3)


def gemm_1024():
    """(batch · 1024, 1024) · (1024, 1024), signed on both sides; batch is 1."""
    g = Graph("gemm_1024", (1024,))
    weights = g.constant(g.normal((1024, 1024), 1 / 32))
    return g.model(g.node("MatMul", ["input", weights], 1024), 2)
