"""The networks that are measured: random weights, an ONNX file, Octile's INT8 plan of a batch."""

import copy

import numpy as np
import torch

import octile


class Mnist(torch.nn.Module):
    """The seed's CNN: two 5×5 convolutions with pooling, two products."""

    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 32, 5, padding=2)
        self.conv2 = torch.nn.Conv2d(32, 64, 5, padding=2)
        self.fc1, self.fc2 = torch.nn.Linear(64 * 7 * 7, 1024), torch.nn.Linear(1024, 10)

    def forward(self, x):
        f = torch.nn.functional
        x = f.max_pool2d(f.relu(self.conv1(x)), 2)
        x = f.max_pool2d(f.relu(self.conv2(x)), 2)
        return self.fc2(f.relu(self.fc1(torch.flatten(x, 1))))


def network(name):
    """(module in evaluation mode, shape of a sample); weights at He's scale."""
    torch.manual_seed(1)
    if name == "mnist":
        module, shape = Mnist(), (1, 28, 28)
    else:
        import torchvision.models as zoo

        made = {"resnet50": zoo.resnet50, "mobilenetv2": zoo.mobilenet_v2}[name]
        module, shape = made(weights=None), (3, 224, 224)
    for layer in module.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return module.eval(), shape


def settle(module, shape):
    """Batch normalization learns its statistics from samples, so that activations stay near one."""
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # the average of all batches
    module.train()
    with torch.no_grad():
        for _ in range(2):
            module(torch.randn(16, *shape, device=next(module.parameters()).device))
    return module.eval()


def onnx_file(name, module, shape, folder):
    """Written once. From a copy: graphs that were recorded hold the module's own weights."""
    file = folder / f"{name}.onnx"
    if not file.exists():
        torch.onnx.export(
            copy.deepcopy(module).cpu(),
            torch.randn(1, *shape),
            str(file),
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
        )
    return file


def plan_of(name, module, shape, batch, folder, table):
    """The INT8 plan of one batch; `table` keeps calibration tables between batches."""
    net = octile.import_onnx(str(onnx_file(name, module, shape, folder)))
    if name not in table:
        rng = np.random.default_rng(3)
        samples = [rng.standard_normal((1, *shape), dtype=np.float32) for _ in range(8)]
        table[name] = octile.collect(net, samples).table("mse")
    bounds = (batch, *shape)
    return octile.build(
        net,
        table[name],
        int8=True,
        int8_layers="all",
        device="cuda:0",
        profiles={"x": (bounds, bounds, bounds)},
    )
