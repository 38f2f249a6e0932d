"""Fashion-MNIST's 10,000 test pictures through a server: octile-serve, driven by tritonclient.

    python fashion_mnist.py --data /usr/share/datasets/fashion-mnist --out build/demo

Builds the demo's small CNN as INT8 (or takes --plan), starts octile-serve in a process of its own,
sends every picture in a request of its own, and prints one JSON object: top1_served, top1_local
(the same plan in this process), same_bits, requests_per_s, errors. Exits with 1 where they differ.
"""

import argparse
import json
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton

import octile

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
from quickstart import make_model, read_idx  # noqa: E402

MODEL = "fashion-mnist"


def build_plan(arguments, path):
    """INT8, calibrated on 500 training pictures, or --table; single pictures and batches of up to
    128."""
    onnx = arguments.out / "model.onnx"
    make_model(arguments.weights, onnx)
    network = octile.import_onnx(onnx)
    if arguments.table:
        table = octile.CalibrationTable.load(arguments.table)
    else:
        training = read_idx(arguments.data, "train-images-idx3-ubyte")[:500, None]
        training = training.astype(np.float32)
        table = octile.calibrate(network, (training[i : i + 20] for i in range(0, 500, 20)))
    shapes = [{"picture": tuple((n, 1, 28, 28) for n in (1, 16, 128))}]
    plan = octile.build(network, table, int8=True, int8_layers="all", profiles=shapes)
    path.parent.mkdir(parents=True, exist_ok=True)
    plan.save(path)


def start_server(folder, log):
    """octile-serve on loopback: (process, address of its gRPC port)."""
    sockets = [socket.socket() for _ in range(2)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    http, grpc = (s.getsockname()[1] for s in sockets)
    for s in sockets:
        s.close()
    start = [sys.executable, "-m", "octile.serve", str(folder), "--host=127.0.0.1"]
    process = subprocess.Popen(
        [*start, f"--http-port={http}", f"--grpc-port={grpc}"], stderr=open(log, "w")
    )
    return process, f"127.0.0.1:{grpc}"


def wait_until_ready(process, address, log, seconds=120):
    client = triton.InferenceServerClient(address)
    for _ in range(seconds * 10):
        if process.poll() is not None:
            sys.exit(f"the server ended:\n{Path(log).read_text()}")
        try:
            if client.is_server_ready():
                return
        except triton.InferenceServerException:
            pass
        time.sleep(0.1)
    sys.exit(f"the server did not become ready:\n{Path(log).read_text()}")


def send(address, pictures, clients):
    """Every picture in a request of its own: scores (NaN after an error), errors, seconds."""
    scores = np.full((len(pictures), 10), np.nan, np.float32)

    def client(first):
        connection, errors = triton.InferenceServerClient(address), 0
        for i in range(first, len(pictures), clients):
            tensor = triton.InferInput("picture", (1, 1, 28, 28), "FP32")
            tensor.set_data_from_numpy(pictures[i : i + 1])
            try:
                scores[i] = connection.infer(MODEL, [tensor]).as_numpy("scores")[0]
            except triton.InferenceServerException as error:
                errors += 1
                print(f"picture {i}: {error}", file=sys.stderr)
        connection.close()
        return errors

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        errors = sum(pool.map(client, range(clients)))
    seconds = time.perf_counter() - start
    return scores, errors, seconds


def run(arguments):
    """The demo's figures."""
    plan = arguments.out / "models" / MODEL / "1" / "model.plan"
    if arguments.plan:
        plan.parent.mkdir(parents=True, exist_ok=True)
        plan.write_bytes(arguments.plan.read_bytes())
    else:
        build_plan(arguments, plan)
    pictures = read_idx(arguments.data, "t10k-images-idx3-ubyte")[:, None].astype(np.float32)
    labels = read_idx(arguments.data, "t10k-labels-idx1-ubyte")
    log = arguments.out / "serve.log"
    process, address = start_server(arguments.out / "models", log)
    try:
        wait_until_ready(process, address, log)
        served, errors, seconds = send(address, pictures, arguments.clients)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    context = octile.Engine(plan).create_context()
    parts = (pictures[i : i + 100] for i in range(0, len(pictures), 100))
    local = np.concatenate([context.run(part)["scores"] for part in parts])
    return {
        "top1_served": float(np.mean(served.argmax(axis=1) == labels)),
        "top1_local": float(np.mean(local.argmax(axis=1) == labels)),
        "same_bits": served.tobytes() == local.tobytes(),
        "requests_per_s": round(len(pictures) / seconds, 1),
        "errors": errors + (code != 0),
    }


def main():
    parser = argparse.ArgumentParser(description="Fashion-MNIST through octile-serve")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="IDX files")
    parser.add_argument("--weights", default=HERE.parent / "mnist" / "para.npz")
    parser.add_argument("--plan", type=Path, help="serve this plan instead of building one")
    parser.add_argument("--table", type=Path, help="ranges, instead of a calibration here")
    parser.add_argument("--out", default=Path("."), type=Path, help="where models and log go")
    parser.add_argument("--clients", type=int, default=16, help="that send at the same time (16)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    result = run(arguments)
    print(json.dumps(result))
    sys.exit(0 if result["same_bits"] and result["errors"] == 0 else 1)


if __name__ == "__main__":
    main()
