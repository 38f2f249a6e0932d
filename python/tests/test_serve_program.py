"""octile-serve as a program: what ends its start, its names of models, and KServe's own server."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import serve_server
from serve_server import Local, make_plan, needs_kserve, rows, same_bits

import octile

pytestmark = needs_kserve
serve = serve_server.serve  # a fixture
START = "from octile._serve_cli import main; main()"


def ask(server, model, x, name="x"):
    """y by JSON, and the version that gave it."""
    tensor = {"name": name, "shape": x.shape, "datatype": "FP32", "data": x.tolist()}
    body = json.dumps({"inputs": [tensor]}).encode()
    status, text = server.post(
        f"/v2/models/{model}/infer", body, {"content-type": "application/json"}
    )
    assert status == 200, text
    answer = json.loads(text)
    output = answer["outputs"][0]
    return np.array(output["data"], np.float32).reshape(output["shape"]), answer["model_version"]


def start(*words):
    return subprocess.run([sys.executable, "-c", START, *words], capture_output=True, text=True)


def test_what_cannot_be_served_ends_the_start_with_its_reason(tmp_path):
    empty, broken, config = (tmp_path / name for name in ("empty", "broken", "config"))
    for folder in (empty, broken, config):
        folder.mkdir()
    (broken / "m.plan").write_bytes(b"no plan at all")
    make_plan(config / "m/1/model.plan", 1)
    (config / "m/octile.json").write_text('{"queues": 3}')
    for words, reason in (
        ((str(tmp_path / "none"),), "none: no such folder"),
        ((str(empty),), "no model in it"),
        ((str(broken),), "m.plan"),
        ((str(config),), "unknown key 'queues'"),
        ((str(config), "--instances=0"), "instances: 0"),
    ):
        ended = start(*words)
        assert ended.returncode == 1
        assert reason in ended.stderr
        assert "Traceback" not in ended.stderr
    for words in ((), (str(config), f"--model-dir={config}"), (str(config), "--batching=some")):
        assert start(*words).returncode == 2


@pytest.mark.parametrize(
    "flag",
    ["--http-port=99999", "--http_port=-1", "--grpc-port=65536", "--drain-seconds=-1"]
    + ["--max-request-bytes=0", "--max-bytes-under-way=-5", "--drain-seconds=soon"],
)
def test_a_flag_out_of_its_range_is_named(tmp_path, flag):
    ended = start(str(tmp_path), flag)
    name, _, value = flag.partition("=")
    assert ended.returncode == 2
    assert name in ended.stderr
    assert f"'{value}' is no whole number from " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_model_that_fails_is_named_with_its_file(tmp_path):
    network = octile.Network("open")
    x = network.add_input("x", "float32", (-1, 3, -1))
    network.mark_output(network.activation(x, "relu"), "y")
    path = tmp_path / "open/1/model.onnx"
    path.parent.mkdir(parents=True)
    octile.export_onnx(network, path)
    make_plan(tmp_path / "onward/1/model.plan", 1)
    for config, reason in (
        ({}, f"open version 1 ({path}): "),
        ({"device": "cuda:x"}, f"open version 1 ({path}): "),
        ({"profiles": [{"x": [1, 2, 3]}]}, "open/octile.json: profiles: write them as"),
    ):
        (tmp_path / "open/octile.json").write_text(json.dumps(config))
        ended = start(str(tmp_path))
        assert ended.returncode == 1
        assert reason in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("flag", ["--http-port", "--grpc-port"])
def test_a_taken_port_ends_the_start(serve, tmp_path, flag):
    make_plan(tmp_path / "m.plan", 1)
    server = serve(tmp_path)
    for port in (server.http_port, server.grpc_port):
        other = "--http-port" if flag == "--grpc-port" else "--grpc-port"
        words = (f"{flag}={port}", f"{other}={serve_server.free_ports(1)[0]}")
        ended = start(str(tmp_path), "--host=127.0.0.1", *words)
        assert ended.returncode == 1
        assert f"127.0.0.1:{port}: Address already in use" in ended.stderr


def test_a_missing_kserve_is_named_with_its_extra(tmp_path):
    (tmp_path / "kserve.py").write_text("raise ImportError('no kserve here')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    for words in (["-c", START], ["-m", "octile.serve"]):
        ended = subprocess.run(
            [sys.executable, *words, str(tmp_path)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert ended.returncode == 1
        assert "pip install '.[serve]'" in ended.stderr


def test_kserves_arguments_name_the_only_model(serve, tmp_path):
    plan = make_plan(tmp_path / "1/model.plan", 1)
    x = rows(2)
    # The folder is the model, as KServe's storage initializer leaves it; then a lone file.
    server = serve(tmp_path, "--model_name=given")
    assert json.loads(server.get("/v2/models")[1]) == {"models": ["given"]}
    assert same_bits(ask(server, "given", x)[0], Local(plan)(x))
    alone = tmp_path / "alone"
    alone.mkdir()
    plan.rename(alone / "model.plan")
    server = serve(alone, "--model_name=given")
    assert same_bits(ask(server, "given", x)[0], Local(alone / "model.plan")(x))


def test_onnx_models_are_built_as_their_config_says(serve, tmp_path):
    network = serve_server.make_network(5)
    table = octile.calibrate(network, [rows(16)])
    (tmp_path / "qdq/1").mkdir(parents=True)
    octile.export_onnx(octile.quantize(network, table), tmp_path / "qdq/1/model.onnx")
    shape = list(serve_server.SHAPE)
    config = {"profiles": [{"x": [[1, *shape], [2, *shape], [3, *shape]]}], "instances": 2}
    (tmp_path / "qdq/octile.json").write_text(json.dumps(config))
    server = serve(tmp_path, "--instances=1")
    log = server.log.read_text()
    assert "batches of up to 3; 2 x" in log
    profiles = [{"x": tuple((n, *shape) for n in (1, 2, 3))}]
    imported = octile.import_onnx(tmp_path / "qdq/1/model.onnx")
    local = Local(octile.build(imported, profiles=profiles, tactics="first"))
    assert same_bits(ask(server, "qdq", rows(3))[0], local(rows(3)))


def test_only_the_wanted_versions_are_loaded(serve, tmp_path):
    for version in (1, 2, 3):
        make_plan(tmp_path / f"net/{version}/model.plan", version)
    (tmp_path / "net/octile.json").write_text('{"versions": [1, 2]}')
    server = serve(tmp_path)
    assert json.loads(server.get("/v2/models/net")[1])["versions"] == ["1", "2"]
    assert ask(server, "net", rows(1))[1] == "2"
    assert server.get("/v2/models/net/versions/3")[0] == 404


OWN_SERVER = """
import sys
folder = sys.argv[1]
sys.argv[1:] = [f for f in sys.argv[2:] if not f.startswith("--host")]
import kserve
from octile.serve import OctileModel

class Halved(OctileModel):
    async def preprocess(self, payload, headers=None):
        tensor = payload.inputs[0]
        tensor.set_data_from_numpy(tensor.as_numpy() / 2)
        return payload

kserve.ModelServer().start([
    OctileModel("whole", f"{folder}/m.plan", threads=1),
    Halved("halved", f"{folder}/m.plan", threads=1),
])
"""


def test_a_server_of_ones_own(serve, tmp_path):
    plan = make_plan(tmp_path / "m.plan", 1)
    server = serve(tmp_path, program=OWN_SERVER)
    x = rows(3)
    assert same_bits(ask(server, "whole", x)[0], Local(plan)(x))
    assert same_bits(ask(server, "halved", x)[0], Local(plan)(x / 2))
    assert server.metric("octile_requests_total", outcome="ok") == 2
    assert server.terminate() == 0


SLOW_SERVER = """
import asyncio, sys
flags = {f.split("=")[0][2:]: f.split("=")[1] for f in sys.argv[2:]}
folder = sys.argv[1]
sys.argv[1:] = []
from octile import serve

class Slow(serve.OctileModel):
    async def preprocess(self, payload, headers=None):
        if payload.id == "wait":
            open(f"{folder}/within", "w").close()
            while self.ready:
                await asyncio.sleep(0.01)
        return payload

repository = serve.OctileRepository(folder, model_class=Slow)
repository.load_models()
serve.OctileServer(repository, host=flags["host"], http_port=int(flags["http_port"]),
                   grpc_port=int(flags["grpc_port"])).serve()
"""


def test_what_a_model_has_accepted_it_answers_after_its_unloading(serve, tmp_path):
    plan = make_plan(tmp_path / "m.plan", 1)
    server = serve(tmp_path, program=SLOW_SERVER)
    x = rows(1)
    tensor = {"name": "x", "shape": x.shape, "datatype": "FP32", "data": x.tolist()}
    body = json.dumps({"id": "wait", "inputs": [tensor]}).encode()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.post, "/v2/models/m/infer", body)
        while not (tmp_path / "within").exists():
            assert not waiting.done(), waiting.result()
            time.sleep(0.01)
        assert server.post("/v2/repository/models/m/unload")[0] == 200
        status, text = waiting.result()
    assert status == 200, text
    y = np.array(json.loads(text)["outputs"][0]["data"], np.float32).reshape(1, 5)
    assert same_bits(y, Local(plan)(x))


@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGQUIT"])
def test_other_signals_end_it_as_well(serve, tmp_path, signal_name):
    import signal

    make_plan(tmp_path / "m.plan", 1)
    server = serve(tmp_path)
    server.process.send_signal(getattr(signal, signal_name))
    assert server.process.wait(60) == 0
    assert f"{signal_name}: 0 requests are under way" in server.log.read_text()


LOADS_FOREVER = """
import asyncio, os, sys, threading
folder, words = sys.argv[1], sys.argv[1:]
sys.argv[1:] = []
from octile import _serve_cli, serve

make_engine = serve.OctileModel.make_engine

def stuck(self, path, options):
    if threading.current_thread() is not threading.main_thread():
        open(f"{folder}/within", "w").close()
        threading.Event().wait()
    return make_engine(self, path, options)

async def preprocess(self, payload, headers=None):
    open(f"{folder}/asked", "w").close()
    while not os.path.exists(f"{folder}/go"):
        await asyncio.sleep(0.01)
    return payload

serve.OctileModel.make_engine, serve.OctileModel.preprocess = stuck, preprocess
sys.argv[1:] = words
_serve_cli.main()
"""


def test_a_load_under_way_does_not_outlast_the_drain(serve, tmp_path):
    make_plan(tmp_path / "m.plan", 1)
    server = serve(tmp_path, "--drain-seconds=600", program=LOADS_FOREVER)
    x = rows(1)
    tensor = {"name": "x", "shape": x.shape, "datatype": "FP32", "data": x.tolist()}
    body = json.dumps({"inputs": [tensor]}).encode()
    with ThreadPoolExecutor(2) as pool:
        load = pool.submit(server.post, "/v2/repository/models/m/load")
        infer = pool.submit(server.post, "/v2/models/m/infer", body)
        while not ((tmp_path / "within").exists() and (tmp_path / "asked").exists()):
            assert not load.done() and not infer.done()
            time.sleep(0.01)
        server.process.terminate()
        while server.get("/v2/health/ready")[0] == 200:
            time.sleep(0.01)
        # The drain waits for the request, and meanwhile no other load begins.
        status, text = server.post("/v2/repository/models/m/load")
        assert (status, "the server is stopping" in text) == (503, True)
        (tmp_path / "go").touch()
        assert infer.result()[0] == 200
        assert server.process.wait(60) == 0
