"""Trains the demo's network with PyTorch and saves its weights as para.npz.

The network: convolution 5x5x32, ReLU, max pooling 2, convolution 5x5x64, ReLU, max pooling 2, fully
connected 1024, ReLU, fully connected 10. Its input is the raw picture, 0 to 255, as float32.

    python3 train.py --data /usr/share/datasets/fashion-mnist --out para.npz

--data names a directory with IDX files (plain or .gz): train*-images-idx3-ubyte,
train*-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte. Needs PyTorch and NumPy;
with the defaults 15 epochs take about two minutes on a GPU and an hour on two CPU cores.
"""

import argparse
import gzip
import os
import sys
import time
from pathlib import Path

import numpy as np


def read_idx(path):
    """An IDX file of unsigned bytes as an array; a clear error when it is something else."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if len(data) < 4 or data[:3] != b"\0\0\x08" or len(data) < 4 + 4 * data[3]:
        sys.exit(f"{path}: not an IDX file of unsigned bytes")
    shape = tuple(np.frombuffer(data, ">u4", count=data[3], offset=4).astype(int))
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * data[3])
    if values.size != int(np.prod(shape)):
        sys.exit(f"{path}: holds {values.size} values, its header says {shape}")
    return values.reshape(shape)


def find(directory, pattern):
    matches = sorted(directory.glob(pattern)) + sorted(directory.glob(pattern + ".gz"))
    if not matches:
        sys.exit(f"{directory}: no file {pattern}[.gz]; name a directory with IDX files by --data")
    return read_idx(matches[0])


def load(directory):
    sets = []
    for prefix in ("train*", "t10k"):
        images = find(directory, f"{prefix}-images-idx3-ubyte")
        labels = find(directory, f"{prefix}-labels-idx1-ubyte")
        if len(images) != len(labels):
            sys.exit(f"{directory}: {len(images)} images but {len(labels)} labels ({prefix})")
        sets.append((images, labels))
    return sets


def shifted(torch, x, most):
    """Every picture of the batch moved by up to `most` pixels each way, zeros moving in."""
    padded = torch.nn.functional.pad(x, (most, most, most, most))
    dy, dx = torch.randint(0, 2 * most + 1, (2, x.shape[0], 1), device=x.device)
    rows = (dy + torch.arange(28, device=x.device)).unsqueeze(2)
    columns = (dx + torch.arange(28, device=x.device)).unsqueeze(1)
    index = torch.arange(x.shape[0], device=x.device).view(-1, 1, 1)
    return padded[index, 0, rows, columns].unsqueeze(1)


def make_network(torch):
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 32, 5, padding=2)
            self.conv2 = nn.Conv2d(32, 64, 5, padding=2)
            self.fc1 = nn.Linear(64 * 7 * 7, 1024)
            self.fc2 = nn.Linear(1024, 10)

        def forward(self, x):
            x = nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
            x = nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2)
            x = torch.relu(self.fc1(x.reshape(-1, 64 * 7 * 7)))
            return self.fc2(nn.functional.dropout(x, 0.4, self.training))

    return Net()


def accuracy(torch, model, images, labels):
    model.eval()
    right = 0
    with torch.no_grad():
        for i in range(0, len(images), 1000):
            scores = model(images[i : i + 1000].float().unsqueeze(1))
            right += int((scores.argmax(1) == labels[i : i + 1000]).sum())
    return right / len(images)


def train(args):
    import torch

    torch.manual_seed(args.seed)
    (train_images, train_labels), (test_images, test_labels) = [
        (
            torch.from_numpy(images.copy()).to(args.device),
            torch.from_numpy(labels.astype(np.int64)).to(args.device),
        )
        for images, labels in load(args.data)
    ]
    model = make_network(torch).to(args.device)
    with torch.no_grad():  # raw pixels come in: start as if they were 0 to 1
        model.conv1.weight /= 255.0
    optimizer = torch.optim.AdamW(
        [
            {"params": [model.conv1.weight], "lr": args.rate / 64},
            {"params": [p for n, p in model.named_parameters() if n != "conv1.weight"]},
        ],
        lr=args.rate,
        weight_decay=1e-2,
    )
    batch = 128
    steps = args.epochs * (len(train_images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=[args.rate / 64, args.rate], total_steps=steps, pct_start=0.2
    )
    for epoch in range(args.epochs):
        start, total = time.time(), 0.0
        model.train()
        order = torch.randperm(len(train_images), device=args.device)
        for i in range(0, len(order) - batch + 1, batch):
            pick = order[i : i + batch]
            x = shifted(torch, train_images[pick].float().unsqueeze(1), args.shift)
            loss = torch.nn.functional.cross_entropy(model(x), train_labels[pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach()
        print(
            f"epoch {epoch + 1}/{args.epochs}: loss {float(total) / (len(order) // batch):.4f}, "
            f"test top-1 {100 * accuracy(torch, model, test_images, test_labels):.2f} %, "
            f"{time.time() - start:.1f} s",
            flush=True,
        )
    return {name: p.detach().cpu().numpy() for name, p in model.named_parameters()}


def save(path, arrays):
    temporary = path.with_name(path.name + ".tmp.npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(temporary, **{n: np.ascontiguousarray(a) for n, a in arrays.items()})
    os.replace(temporary, path)
    print(f"saved {path}: {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--out", type=Path, default=Path("para.npz"))
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--shift", type=int, default=1, help="random shift in pixels")
    parser.add_argument("--seed", type=int, default=97)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    args = parser.parse_args()
    save(args.out, train(args))


if __name__ == "__main__":
    main()
