"""Reports that no build wrote (docs/report_format.md): networks of many shapes with plausible times,
noise and distributions, and what a page must survive. Deterministic. tools/check_report.py opens them.
"""
import math
import random


class Builder:
    """A network in running order; add() returns the index of the tensor that a group makes."""

    def __init__(self, seed, shape):
        self.random = random.Random(seed)
        self.groups, self.tensors = [], []
        self.input = self._tensor("x", shape, -1)

    def _tensor(self, name, shape, producer):
        elements = math.prod(shape)
        self.tensors.append({
            "name": name, "shape": shape, "precision": "float32", "producer": producer, "consumers": [],
            "quantize_us": round(1.5 + elements / 9000, 2), "dequantize_us": round(1.2 + elements / 12000, 2),
            "histogram": None, "thresholds": [], "levels_used": None})
        return len(self.tensors) - 1

    def shape(self, tensor):
        return self.tensors[tensor]["shape"]

    def add(self, name, op, inputs, shape, macs=0, weights=0, speedup=None, refusal=""):
        elements = math.prod(shape)
        float_us = 2 + macs / 60000 + elements / 15000
        int8 = None
        if not refusal:
            int8 = 1.5 + float_us / (speedup or self.random.uniform(1.9, 3.6))
        index = len(self.groups)
        self.groups.append({
            "name": name, "op": op, "shape": shape, "precision": "float32",
            "float_us": round(float_us, 2), "half_us": None, "int8_us": int8 and round(int8, 2),
            "quantize_us": 0.0, "dequantize_us": 0.0, "gain_us": None,
            "spread": round(self.random.uniform(0.004, 0.05), 4), "reason": "", "refusal": refusal,
            "sqnr_db": None, "weights": self._weights() if weights else None, "macs": macs or None,
            "inputs": list(inputs), "output": None})
        for tensor in inputs:
            self.tensors[tensor]["consumers"].append(index)
        self.groups[index]["output"] = self._tensor(name + ".out", shape, index)
        return self.groups[index]["output"]

    def convolution(self, name, tensor, channels, kernel=1, stride=1, tail="relu", others=(), groups=1):
        n, c, h, w = self.shape(tensor)
        h, w = -(-h // stride), -(-w // stride)
        macs = n * channels * h * w * kernel * kernel * c // groups
        speedup = 1.05 if groups > 1 else None
        return self.add(f"{name} + {tail}" if tail else name, "Convolution", [tensor, *others],
                        [n, channels, h, w], macs, 1, speedup)

    def _weights(self):
        sigma = self.random.uniform(0.01, 0.08)
        peak = sigma * self.random.uniform(4.5, 11)
        lo, hi = -peak * self.random.uniform(0.8, 1), peak
        step = (hi - lo) / 64
        counts = [round(40000 * (math.exp(-abs((lo + (i + 0.5) * step) / sigma) ** 1.3 / 1.5) +
                                 self.random.uniform(0, 2e-4))) for i in range(64)]
        return {"lo": round(lo, 5), "hi": round(hi, 5), "counts": counts}

    def _distribution(self, tensor):
        signed = tensor["producer"] < 0 or "relu" not in tensor["name"]
        scale = self.random.uniform(0.3, 2)
        peak = scale * self.random.uniform(4, 14)
        lo, hi = (-peak * self.random.uniform(0.5, 1), peak) if signed else (0.0, peak)
        step = (hi - lo) / 128
        counts = []
        for i in range(128):
            x = lo + (i + 0.5) * step
            count = 2e6 * math.exp(-abs(x) / scale) * self.random.uniform(0.8, 1.2)
            counts.append(int(count + (4e5 if i == 0 and not signed else 0)))
        counts[-1] = max(counts[-1], 1)
        total = sum(counts)
        tensor["histogram"] = {"lo": round(lo, 4), "hi": round(hi, 4), "counts": counts}
        for method, share in (("entropy", 0.62), ("minmax", 1.0), ("percentile", 0.71), ("mse", 0.8)):
            limit = peak * share * (self.random.uniform(0.9, 1.1) if share < 1 else 1)
            inside = sum(c for i, c in enumerate(counts) if abs(lo + (i + 0.5) * step) <= limit)
            tensor["thresholds"].append({
                "method": method, "range": [round(-limit if signed else 0.0, 4), round(limit, 4)],
                "clipped": round(1 - inside / total, 6), "used": method == "entropy"})
        tensor["levels_used"] = self.random.randint(60, 250)

    def finish(self, labels=True, noise=True):
        """Labels the groups, one by one, and fills in what follows from that."""
        for group in self.groups:
            for tensor in group["inputs"]:
                group["quantize_us"] += self.tensors[tensor]["quantize_us"] / len(self.tensors[tensor]["consumers"])
            group["quantize_us"] = round(group["quantize_us"] * self.random.choice([0, 0, 0, 0.5, 1]), 2)
            output = self.tensors[group["output"]]
            group["dequantize_us"] = round(output["dequantize_us"] * self.random.choice([0, 0, 0, 1]), 2)
            if noise:
                group["sqnr_db"] = None if group["refusal"] else round(self.random.uniform(22, 58), 2)
            self._decide(group, labels)
        for tensor in self.tensors:
            if tensor["producer"] < 0 or self.random.random() < 0.97:
                self._distribution(tensor)
        return self.convert()

    def convert(self):
        """Says in which forms each tensor exists, from the labels of who makes and who reads it."""
        for tensor in self.tensors:
            maker = "float32" if tensor["producer"] < 0 else self.groups[tensor["producer"]]["precision"]
            forms = {maker} | {self.groups[c]["precision"] for c in tensor["consumers"]}
            tensor["precision"] = "both" if "int8" in forms and len(forms) > 1 else maker
        return self

    def _decide(self, group, labels):
        if group["refusal"]:
            group["reason"] = "no INT8 kernel takes this layer"
            return
        converting = group["quantize_us"] + group["dequantize_us"]
        saved = group["float_us"] - group["int8_us"]
        group["gain_us"] = round(saved - converting, 2)
        shape = "×".join(str(e) for e in group["shape"][2:] + group["shape"][1:2]) or "?"
        if group["gain_us"] > 0 and labels:
            group["precision"] = "int8"
            group["reason"] = f"INT8 saves {saved:.1f} µs, conversions cost {converting:.1f} µs"
        elif converting > 0:
            group["reason"] = f"conversion of a {shape} tensor costs {converting:.1f} µs, INT8 saves {saved:.1f} µs"
        else:
            group["reason"] = f"INT8 is {-saved:.1f} µs slower" if saved < 0 else "fixed by --precision"

    def report(self, model, kept="chosen", metric=True, noise=True):
        floats = sum(g["float_us"] for g in self.groups) / 1000
        int8 = sum((g["int8_us"] or g["float_us"]) + g["quantize_us"] / 3 for g in self.groups) / 1000
        best = sum(g["int8_us"] if g["precision"] == "int8" else g["float_us"] for g in self.groups) / 1000
        best += sum(t["quantize_us"] for t in self.tensors if t["precision"] == "both") / 2000
        if kept == "float":
            int8, best = floats * 1.31, floats * 1.04
        engines = [(name, ms, size, accuracy, sqnr) for name, ms, size, accuracy, sqnr in (
            ("float", floats, 102_228_128, 76.13, None), ("int8", int8, 25_911_040, 75.48, 24.31),
            ("chosen", best, 27_190_016, 75.92, 31.18))]
        count = sum(g["precision"] == "int8" for g in self.groups)
        pareto = []
        for i in range(12):
            share = 1 - (i / 11) ** 1.6
            pareto.append({"lambda": 0.0 if i == 0 else round(1e-3 * 4 ** i, 6),
                           "ms": round(best * 0.97 + (floats - best) * (1 - share) ** 1.4, 4),
                           "sqnr_db": round(31.2 + 22 * (i / 11) ** 0.8, 2) if noise and i < 11 else None,
                           "int8": round(count * share), "chosen": i == 0})
        return {
            "format": 1, "octile": "0.1.0", "model": model, "date": "2026-11-27 15:30 UTC",
            "command": f"octile build {model} --int8 --calibrate images/ --preprocess scale=1/255,size=224x224 "
                       "--max-loss 0.3pt --report report.html -o model.plan",
            "device": "AMD EPYC 9B14, avx512vnni, 2 threads", "objective": "latency",
            "scheme": "static-symmetric", "method": "entropy", "inputs": {"x": self.tensors[0]["shape"]},
            "metric": {"name": "top-1", "unit": "%", "samples": 1000} if metric else None,
            "engines": [{"name": name, "ms": round(ms, 4), "spread": 0.012, "bytes": size,
                         "metric": accuracy if metric else None, "sqnr_db": sqnr if noise else None,
                         "kept": name == kept} for name, ms, size, accuracy, sqnr in engines],
            "predicted_ms": round(best * 0.82, 4), "explanation": "the three engines share the cache with "
            "each other while single layers were timed with theirs warm" if kept == "chosen" else "",
            "asked": {"max_loss": 0.3 if metric else None, "min_sqnr_db": None, "lambda": 0.0},
            "pareto": pareto, "groups": self.groups, "tensors": self.tensors}


def resnet50():
    net = Builder(50, [4, 3, 224, 224])
    x = net.convolution("/conv1/Conv", net.input, 64, 7, 2)
    n, c, h, w = net.shape(x)
    x = net.add("/maxpool/MaxPool", "Pooling", [x], [n, c, h // 2, w // 2], speedup=2.4)
    for stage, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), 1):
        for block in range(blocks):
            at = f"/layer{stage}/layer{stage}.{block}"
            stride = 2 if block == 0 and stage > 1 else 1
            side = x if block else net.convolution(f"{at}/downsample/downsample.0/Conv", x, width * 4, 1, stride, "")
            y = net.convolution(f"{at}/conv1/Conv", x, width)
            y = net.convolution(f"{at}/conv2/Conv", y, width, 3, stride)
            x = net.convolution(f"{at}/conv3/Conv", y, width * 4, 1, 1, "add + relu", [side])
    x = net.add("/avgpool/GlobalAveragePool", "Pooling", [x], [4, 2048, 1, 1], speedup=0.9)
    x = net.add("/fc/Gemm", "MatMul", [x], [4, 1000], 4 * 2048 * 1000, 1)
    net.add("/Softmax", "Softmax", [x], [4, 1000], refusal="Softmax has no INT8 kernel: it stays float")
    return net.finish().report("resnet50.onnx")


def detector():
    """About 400 groups: cross-stage branches, concatenations of many, three heads of several outputs."""
    net = Builder(400, [1, 3, 640, 640])
    x = net.convolution("backbone.stem", net.input, 32, 3, 2, "silu")
    features = []
    for stage, (repeats, width) in enumerate(((8, 64), (24, 128), (24, 256), (8, 512))):
        x = net.convolution(f"backbone.dark{stage}.down", x, width, 3, 2, "silu")
        left = net.convolution(f"backbone.dark{stage}.csp.left", x, width // 2, 1, 1, "silu")
        right = net.convolution(f"backbone.dark{stage}.csp.right", x, width // 2, 1, 1, "silu")
        parts = [right]
        for i in range(repeats):
            at = f"backbone.dark{stage}.csp.m.{i}"
            y = net.convolution(f"{at}.dw", left, width // 2, 3, 1, "", groups=width // 2)
            y = net.convolution(f"{at}.pw", y, width // 2, 1, 1, "silu")
            left = net.add(f"{at}.add", "ElementWise", [y, left], net.shape(left), speedup=1.2)
            parts.append(left)
        n, c, h, w = net.shape(left)
        x = net.add(f"backbone.dark{stage}.concat", "Concatenation", parts[-4:] + parts[:1], [n, c * 5, h, w], speedup=1.8)
        x = net.convolution(f"backbone.dark{stage}.out", x, width, 1, 1, "silu")
        features.append(x)
    outputs = []
    for level, feature in enumerate(features[1:]):
        stem = net.convolution(f"head.{level}.stem", feature, 96, 1, 1, "silu")
        for branch, channels in (("cls", 80), ("reg", 4), ("obj", 1)):
            y = stem
            for i in range(10):
                y = net.convolution(f"head.{level}.{branch}.{i}.dw", y, 96, 3, 1, "", groups=96)
                y = net.convolution(f"head.{level}.{branch}.{i}.pw", y, 96, 1, 1, "silu")
            y = net.convolution(f"head.{level}.{branch}.pred", y, channels, 1, 1, "")
            outputs.append(net.add(f"head.{level}.{branch}.sigmoid", "Activation", [y], net.shape(y),
                                   refusal=f"no range for tensor 'head.{level}.{branch}.pred.out'"))
    net.add("head.concat", "Concatenation", outputs, [1, 85, 8400], speedup=0.8)
    return net.finish().report("yolox_like_400.onnx", metric=False)


def small():
    net = Builder(3, [1, 1, 28, 28])
    x = net.convolution("conv1", net.input, 20, 5)
    x = net.convolution("conv2", x, 50, 5)
    x = net.add("ip1 + relu", "MatMul", [x], [1, 500], 400000, 1)
    net.add("ip2", "MatMul", [x], [1, 10], 5000, 1, speedup=0.7)
    return net.finish().report("mnist.onnx")


def gpu():
    """float16 beside the others, on a device that has it."""
    net = Builder(16, [8, 3, 224, 224])
    x = net.convolution("stem", net.input, 32, 3, 2)
    for i in range(8):
        y = net.convolution(f"block{i}.a", x, 64, 1)
        x = net.convolution(f"block{i}.b", y, 32, 3, 1, "add + relu" if i else "relu", [x] if i else [])
    net.finish()
    for i, group in enumerate(net.groups):
        group["half_us"] = round(group["float_us"] * 0.55, 2)
        if i % 4 == 3:
            group.update(precision="float16", reason="float16 is as fast as INT8 here and adds no noise")
    net.convert()
    report = net.report("stem_and_blocks.onnx")
    report.update(device="NVIDIA H100 80GB HBM3, wgmma", objective="throughput")
    return report


def stays_float():
    net = Builder(9, [1, 4, 1080, 1920])
    x = net.convolution("denoise.in", net.input, 8, 3)
    x = net.convolution("denoise.out", x, 3, 3, 1, "")
    for group in net.groups:
        group["int8_us"] = round(group["float_us"] * 0.95, 2)
    report = net.finish(labels=False, noise=False).report("denoise_1080p.onnx", kept="float", metric=False, noise=False)
    for group in report["groups"]:
        group["quantize_us"], group["dequantize_us"] = 420.0, 310.0
        group["gain_us"] = round(group["float_us"] - group["int8_us"] - 730, 2)
        group["reason"] = "conversion of a 1080×1920×8 tensor costs 0.73 ms, INT8 saves 0.05 ms"
    report["pareto"] = []
    return report


def empty():
    return {"format": 1, "octile": "0.1.0", "model": "empty.onnx", "command": "", "date": "", "device": "",
            "objective": "latency", "scheme": "", "method": "", "inputs": {}, "metric": None, "engines": [],
            "predicted_ms": None, "explanation": "", "asked": {"max_loss": None, "min_sqnr_db": None, "lambda": 0.0},
            "pareto": [], "groups": [], "tensors": []}


def nulls():
    """Every nullable thing is null, and what a list holds is bare."""
    report = small()
    report.update(metric=None, predicted_ms=None)
    for engine in report["engines"]:
        engine.update(metric=None, sqnr_db=None)
    for point in report["pareto"]:
        point["sqnr_db"] = None
    for group in report["groups"]:
        for key in ("half_us", "int8_us", "gain_us", "sqnr_db", "weights", "macs"):
            group[key] = None
        group.update(precision="float32", reason="", refusal="")
    for tensor in report["tensors"]:
        tensor.update(quantize_us=None, dequantize_us=None, histogram=None, thresholds=[], levels_used=None)
    return report


NAMES = ("</script><script>window.hacked = 1</script>", "<img src=x onerror='window.hacked = 1'>",
         "<!-- <script>", "__proto__", "constructor", "a" * 3000, "\u202eright to left\u202c", "tab\tnew\nline",
         "\"quoted\" & 'quoted'", "日本語のレイヤー 🎉", "", "javascript:window.hacked=1", "${window.hacked = 1}", "%s @json@")


def hostile():
    """Names that try to break out, numbers beyond reason, indices to nowhere, types that do not fit."""
    net = Builder(13, [1, 3, 32, 32])
    x = net.input
    for name in NAMES:
        x = net.convolution(name, x, 8, 3, 1, "")
    report = net.finish().report(NAMES[0])
    report.update(command=NAMES[1], device=NAMES[5], explanation=NAMES[0], inputs={NAMES[0]: [1], "__proto__": [2]})
    report["engines"][1].update(name=NAMES[1], not_compared=[NAMES[0], 7, f"{NAMES[5]} (3 of 20 samples)"])
    groups, tensors = report["groups"], report["tensors"]
    groups[1].update(reason=NAMES[0], refusal=NAMES[1], precision="int4", op=NAMES[2])
    groups[2].update(inputs=[0, 99, -5, "x", 2.5], output=7000, float_us=1e300, int8_us=-3, macs="many")
    groups[3].update(inputs=[groups[5]["output"]], weights={"lo": 1, "hi": 1, "counts": [0] * 64})  # a circle
    groups[4].update(shape=None, weights={"lo": 0, "hi": 1, "counts": []}, spread=None)
    tensors[3].update(histogram={"lo": 2.0, "hi": 2.0, "counts": [5] * 128}, producer=400, consumers=[-1, 900])
    tensors[4].update(histogram={"lo": -1, "hi": 1, "counts": ["a", -4] * 64}, thresholds=[{"method": NAMES[0]}, None])
    tensors[5].update(name=None, thresholds=None, levels_used=1e9)
    groups.append(None)
    tensors.append("text")
    report["pareto"].append({"lambda": None, "ms": None})
    return report


REPORTS = {"resnet50": resnet50, "detector": detector, "small": small, "gpu": gpu, "stays_float": stays_float,
           "empty": empty, "nulls": nulls, "hostile": hostile}
