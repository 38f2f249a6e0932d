"""octile-serve driven by tritonclient over HTTP and gRPC: the protocol's calls, bits, refusals."""

import http.client
import json
import shutil

import numpy as np
import pytest
import serve_server
from serve_server import (
    MAX_ROWS,
    SHAPE,
    Local,
    Server,
    make_plan,
    needs_kserve,
    rows,
    same_bits,
)

import octile

pytestmark = needs_kserve
serve = serve_server.serve  # a fixture


class Client:
    """tritonclient by one of its two ways; its refusals as (status, reason)."""

    NAMES = {
        "404": "404", "400": "400", "503": "503",
        "StatusCode.NOT_FOUND": "404", "StatusCode.INVALID_ARGUMENT": "400",
        "StatusCode.UNAVAILABLE": "503",
    }  # fmt: skip

    def __init__(self, way, server):
        import importlib

        self.module = importlib.import_module(f"tritonclient.{way}")
        url = server.url if way == "http" else server.grpc_url
        self.way, self.client = way, self.module.InferenceServerClient(url)

    def infer(self, model, arrays, outputs=None, version="", datatype=None, **keywords):
        from tritonclient.utils import np_to_triton_dtype

        inputs = []
        for name, array in arrays.items():
            kind = datatype or np_to_triton_dtype(array.dtype)
            inputs.append(self.module.InferInput(name, array.shape, kind))
            inputs[-1].set_data_from_numpy(array, **keywords)
        wanted = outputs and [self.module.InferRequestedOutput(o) for o in outputs]
        return self.client.infer(model, inputs, outputs=wanted, model_version=version)

    def refusal(self, *args, **keywords):
        from tritonclient.utils import InferenceServerException

        with pytest.raises(InferenceServerException) as raised:
            self.infer(*args, **keywords)
        return self.NAMES.get(raised.value.status(), raised.value.status()), raised.value.message()

    def metadata(self, model, version=""):
        if self.way == "http":
            return self.client.get_model_metadata(model, version)
        return self.client.get_model_metadata(model, version, as_json=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    make_plan(folder / "net/2/model.plan", 2)
    make_plan(folder / "net/10/model.plan", 10)
    make_plan(folder / "plain.plan", 3)
    make_plan(folder / "float/1/model.plan", 4, int8=False)
    pair = octile.Network("pair")
    a = pair.add_input("a", "float32", (2, 3))
    b = pair.add_input("b", "float32", (2, 3))
    pair.mark_output(pair.elementwise(a, b, "add", name="add"), "sum")
    pair.mark_output(pair.elementwise(a, b, "mul", name="mul"), "product")
    (folder / "pair/1").mkdir(parents=True)
    octile.export_onnx(pair, folder / "pair/1/model.onnx")
    return folder


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    server = Server(folder, tmp_path_factory.mktemp("log") / "server.log")
    yield server
    server.close()


@pytest.fixture(params=["http", "grpc"])
def client(request, server):
    client = Client(request.param, server)
    yield client
    client.client.close()


def test_health(client):
    assert client.client.is_server_live()
    assert client.client.is_server_ready()
    assert client.client.is_model_ready("net")
    assert client.client.is_model_ready("net", "2")


def test_metadata(client):
    metadata = client.metadata("net")
    assert metadata["name"] == "net"
    assert metadata["versions"] == ["2", "10"]
    (x,), (y,) = metadata["inputs"], metadata["outputs"]
    assert (x["name"], x["datatype"]) == ("x", "FP32")
    assert [int(n) for n in x["shape"]] == [-1, *SHAPE]
    assert (y["name"], [int(n) for n in y["shape"]]) == ("y", [-1, 5])


@pytest.mark.parametrize("count", [1, 3, MAX_ROWS])
@pytest.mark.parametrize("model", ["net", "plain", "float"])
def test_results_have_the_local_engines_bits(client, folder, model, count):
    path = {"net": "net/10/model.plan", "plain": "plain.plan", "float": "float/1/model.plan"}[model]
    x = rows(count, count)
    served = client.infer(model, {"x": x}).as_numpy("y")
    assert same_bits(served, Local(folder / path, threads=0)(x))


def test_json_has_the_same_bits(server, folder):
    x = rows(2)
    tensor = {"name": "x", "shape": x.shape, "datatype": "FP32", "data": x.tolist()}
    for headers in ({"content-type": "application/json"}, {}):
        body = json.dumps({"id": "seven", "inputs": [tensor]}).encode()
        status, text = server.post("/v2/models/net/infer", body, headers)
        answer = json.loads(text)
        assert (status, answer["id"], answer["model_version"]) == (200, "seven", "10")
        output = answer["outputs"][0]
        y = np.array(output["data"], np.float32).reshape(output["shape"])
        assert same_bits(y, Local(folder / "net/10/model.plan")(x))


def test_versions_are_addressed(client, folder):
    x = rows(2)
    old = client.infer("net", {"x": x}, version="2").as_numpy("y")
    assert same_bits(old, Local(folder / "net/2/model.plan")(x))
    newest = client.infer("net", {"x": x}, version="10").as_numpy("y")
    assert same_bits(newest, Local(folder / "net/10/model.plan")(x))
    assert not same_bits(old, newest)
    assert client.refusal("net", {"x": x}, version="3")[0] == "404"


def test_several_inputs_and_chosen_outputs(client):
    a, b = np.float32([[1, 2, 3], [4, 5, 6]]), np.float32([[10, 20, 30], [40, 50, 60]])
    result = client.infer("pair", {"b": b, "a": a}, ["product"])
    assert (result.as_numpy("product") == a * b).all()
    assert result.as_numpy("sum") is None
    assert (client.infer("pair", {"a": a, "b": b}).as_numpy("sum") == a + b).all()


X = np.zeros((1, *SHAPE), np.float32)


@pytest.mark.parametrize(
    ("model", "arrays", "keywords", "status", "reason"),
    [
        ("nope", {"x": X}, {}, "404", "nope"),
        ("net", {"z": X}, {}, "400", "no input 'z'; the model has 'x'"),
        ("pair", {"a": X[0, 0, :2, :3]}, {}, "400", "input 'b' is missing"),
        ("net", {"x": X.astype(np.int64)}, {}, "400", "input 'x' is FP32, not INT64"),
        ("net", {"x": X[0]}, {}, "400", "[3, 12, 12]"),
        ("net", {"x": np.zeros((1, 3, 12, 13), np.float32)}, {}, "400", "[8, 3, 12, 12]"),
        ("net", {"x": np.zeros((9, *SHAPE), np.float32)}, {}, "400", "[9, 3, 12, 12]"),
        ("net", {"x": np.zeros((0, *SHAPE), np.float32)}, {}, "400", "[0, 3, 12, 12]"),
        ("net", {"x": X}, {"outputs": ["z"]}, "400", "no output 'z'; the model has 'y'"),
    ],
)
def test_a_wrong_request_is_told_why(client, server, model, arrays, keywords, status, reason):
    got, message = client.refusal(model, arrays, **keywords)
    assert got == status
    assert reason in message
    assert client.client.is_server_live()


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        ({"datatype": "FP32", "data": [1.0] * 431}, "431"),
        ({"datatype": "FP32", "data": ["1"] * 432}, "no float32"),
        ({"datatype": "FP32", "data": [[1.0], [2.0, 3.0]]}, "input 'x'"),
        ({"datatype": "FP32", "data": []}, "input 'x'"),
        ({"datatype": "FP32", "data": [1e300] * 432}, "input 'x' of shape [1, 3, 12, 12]: its"),
        ({"datatype": "FP32", "data": [10**30] * 431 + [-(10**300)]}, "input 'x'"),
        ({"datatype": "FP32", "shape": [-1, 3, 12, 12], "data": [0.0] * 432}, "negative"),
        ({"datatype": "WHAT", "data": [1.0] * 432}, "FP32, not WHAT"),
        ({"datatype": "FP32"}, "data"),
    ],
)
def test_wrong_json_is_told_why(server, tensor, reason):
    body = json.dumps({"inputs": [{"name": "x", "shape": [1, *SHAPE], **tensor}]}).encode()
    for headers in ({"content-type": "application/json"}, {}):
        status, text = server.post("/v2/models/net/infer", body, headers)
        assert status == 400, text
        assert reason in json.loads(text)["error"]


def test_integers_are_taken_as_they_are_or_refused(serve, tmp_path):
    network = octile.Network("ints")
    network.mark_output(
        network.elementwise(
            network.add_input("a", "int32", (2,)), network.add_input("b", "int32", (2,)), "add"
        ),
        "y",
    )
    octile.build(network, tactics="first").save(tmp_path / "ints.plan")
    server = serve(tmp_path)

    def ask(data):
        a = {"name": "a", "shape": [2], "datatype": "INT32", "data": data}
        b = {"name": "b", "shape": [2], "datatype": "INT32", "data": [10, 20]}
        return server.post("/v2/models/ints/infer", json.dumps({"inputs": [a, b]}).encode())

    status, text = ask([1, -2])
    assert (status, json.loads(text)["outputs"][0]["data"]) == (200, [11, 18])
    for data in ([1.5, 2], [1 << 31, 0], [1 << 70, 0], [True, False], ["1", "2"]):
        assert ask(data)[0] == 400


def test_infinities_that_are_sent_as_such_are_taken(client):
    x = np.full((1, *SHAPE), np.inf, np.float32)
    assert client.infer("net", {"x": x}).as_numpy("y").shape == (1, 5)


def test_typed_contents_over_grpc(server, folder):
    """Values in the message itself, as tritonclient never sends them."""
    import grpc
    from tritonclient.grpc import service_pb2, service_pb2_grpc

    x = rows(2)
    with grpc.insecure_channel(server.grpc_url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

        def infer(values, datatype="FP32", field="fp32_contents"):
            request = service_pb2.ModelInferRequest(model_name="net")
            tensor = request.inputs.add(name="x", datatype=datatype, shape=x.shape)
            getattr(tensor.contents, field).extend(values)
            return stub.ModelInfer(request, timeout=60)

        answer = infer(x.ravel().tolist())
        y = np.frombuffer(answer.raw_output_contents[0], np.float32).reshape(2, 5)
        assert same_bits(y, Local(folder / "net/10/model.plan")(x))
        for wrong in ((x.ravel()[1:].tolist(),), ([1] * x.size, "INT32", "int_contents")):
            with pytest.raises(grpc.RpcError) as raised:
                infer(*wrong)
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "input 'x'" in raised.value.details()


def test_version_one_of_the_protocol_is_refused_with_the_way_to_go(server):
    for verb in ("predict", "explain"):
        status, text = server.post(f"/v1/models/net:{verb}", b'{"instances": [[1]]}')
        assert status == 400
        assert "/v2/models/" in text


def test_a_request_beyond_the_limit_is_refused(serve, folder):
    server = serve(folder, "--max-request-bytes=4096")
    x = rows(1)
    assert x.nbytes < 4096 and rows(8).nbytes > 4096
    for way in ("http", "grpc"):
        client = Client(way, server)
        assert client.infer("net", {"x": x}).as_numpy("y").shape == (1, 5)
        status, reason = client.refusal("net", {"x": rows(8)})
        assert status in ("413", "StatusCode.RESOURCE_EXHAUSTED"), reason
        assert client.client.is_server_live()
    # In chunks, whose sum no header tells.
    connection = http.client.HTTPConnection(server.url, timeout=60)
    chunks = (b"x" * 1000 for _ in range(9))
    connection.request("POST", "/v2/models/net/infer", chunks, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_loading_and_unloading(serve, folder, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(folder, models)
    server = serve(models)
    by_http, by_grpc = Client("http", server), Client("grpc", server)
    x = rows(2)

    by_http.client.unload_model("net")
    for client in (by_http, by_grpc):
        assert client.refusal("net", {"x": x})[0] == "404"
        assert client.refusal("net", {"x": x}, version="2")[0] == "404"
        assert client.infer("plain", {"x": x}).as_numpy("y").shape == (2, 5)
    assert server.post("/v2/repository/models/net/unload")[0] == 404

    make_plan(models / "net/11/model.plan", 11)
    by_http.client.load_model("net")
    assert by_http.metadata("net")["versions"] == ["2", "10", "11"]
    expected = Local(models / "net/11/model.plan")(x)
    for client in (by_http, by_grpc):
        assert same_bits(client.infer("net", {"x": x}).as_numpy("y"), expected)

    (models / "net/12").mkdir()
    (models / "net/12/model.plan").write_bytes(b"no plan")
    status, text = server.post("/v2/repository/models/net/load")
    assert status == 503
    assert "12/model.plan" in text
    assert same_bits(by_http.infer("net", {"x": x}).as_numpy("y"), expected)
    assert server.post("/v2/repository/models/nothing/load")[0] == 404


def test_loading_and_unloading_over_grpc(serve, folder):
    """By KServe's messages, whose only field is the name; Triton's have another before it."""
    import grpc

    server = serve(folder)
    with grpc.insecure_channel(server.grpc_url) as channel:

        def call(verb, name):
            path = f"/inference.GRPCInferenceService/RepositoryModel{verb}"
            message = bytes([10, len(name)]) + name.encode()
            return channel.unary_unary(path)(message, timeout=60)

        assert call("Unload", "net") == b"\x0a\x03net\x10\x01"
        assert Client("grpc", server).refusal("net", {"x": X})[0] == "404"
        assert call("Load", "net") == b"\x0a\x03net\x10\x01"
        assert Client("grpc", server).infer("net", {"x": X}).as_numpy("y").shape == (1, 5)
        for verb in ("Load", "Unload"):
            with pytest.raises(grpc.RpcError) as raised:
                call(verb, "nothing")
            assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_metrics(serve, folder):
    server = serve(folder)
    client = Client("http", server)
    for count in (1, 2, 3):
        client.infer("net", {"x": rows(count)})
    client.refusal("net", {"x": X[0]})
    labels = {"model_name": "net", "model_version": "10"}
    assert server.metric("octile_requests_total", **labels, outcome="ok") == 3
    assert server.metric("octile_requests_total", **labels, outcome="invalid") == 1
    assert server.metric("octile_batch_rows_sum", **labels) == 6
    assert server.metric("octile_compute_seconds_count", **labels) == 3
    assert server.metric("octile_queue_seconds_count", **labels) == 3
    assert server.metric("octile_queue_requests", **labels) == 0
