"""octile-serve under load: many clients, a full queue, malformed bytes, a drain."""

import http.client
import importlib
import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import serve_server
from serve_server import MAX_ROWS, Local, make_plan, needs_kserve, rows, same_bits

pytestmark = needs_kserve
serve = serve_server.serve  # a fixture


def connect(way, server):
    module = importlib.import_module(f"tritonclient.{way}")
    return module, module.InferenceServerClient(server.url if way == "http" else server.grpc_url)


def infer(way, server, x, connection=None, model="net"):
    """The answer's y; a refusal is raised as tritonclient does."""
    module, client = connection or connect(way, server)
    tensor = module.InferInput("x", x.shape, "FP32")
    tensor.set_data_from_numpy(x)
    try:
        return client.infer(model, [tensor]).as_numpy("y")
    finally:
        if connection is None:
            client.close()


def config(folder, **keys):
    (folder / "net/octile.json").write_text(json.dumps(keys))


@pytest.mark.parametrize("instances", [1, 2])
def test_two_hundred_clients_get_the_local_engines_bits(serve, tmp_path, instances):
    plan = make_plan(tmp_path / "net/1/model.plan", 1)
    config(tmp_path, max_delay_ms=20, instances=instances, threads=1)
    server = serve(tmp_path)
    assert "batches of up to 8" in server.log.read_text()
    local = Local(plan)
    requests = [rows(1 + i % 3, i) for i in range(600)]
    expected = [local(x) for x in requests]
    together = threading.Barrier(200)

    def client(index):
        way = ("http", "grpc")[index % 2]
        connection = connect(way, server)
        together.wait(60)
        mine = range(index, len(requests), 200)
        got = [(i, infer(way, server, requests[i], connection)) for i in mine]
        connection[1].close()
        return got

    with ThreadPoolExecutor(200) as pool:
        answers = [pair for pairs in pool.map(client, range(200)) for pair in pairs]
    assert len(answers) == 600
    assert all(same_bits(y, expected[i]) for i, y in answers)
    batches = server.metric("octile_batch_rows_count")
    assert server.metric("octile_batch_rows_sum") == sum(len(x) for x in requests)
    assert server.metric("octile_batch_rows_bucket", le=f"{MAX_ROWS}.0") == batches  # none beyond
    assert batches < 600  # 20 ms are enough for one of 200 clients to find company


@pytest.mark.parametrize("way", ["http", "grpc"])
def test_a_full_queue_refuses_and_the_others_are_answered(serve, tmp_path, way):
    plan = make_plan(tmp_path / "net/1/model.plan", 1)
    # Eight rows fill a batch; three wait for company until the server is told to end.
    config(tmp_path, queue=3, max_delay_ms=1e9, instances=1, threads=1)
    server = serve(tmp_path)
    x = rows(1)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(infer, way, server, x) for _ in range(3)]
        while server.metric("octile_queue_requests") < 3:
            assert not any(w.done() for w in waiting), [w.exception() for w in waiting]
        with pytest.raises(Exception, match="its queue of 3 is full") as raised:
            infer(way, server, x)
        assert raised.value.status() in ("503", "StatusCode.UNAVAILABLE")
        assert not any(w.done() for w in waiting)
        assert server.metric("octile_requests_total", outcome="rejected") == 1
        assert server.terminate() == 0
        answers = [w.result() for w in waiting]
    assert all(same_bits(y, Local(plan)(x)) for y in answers)


def test_a_drain_answers_all_that_was_accepted(serve, tmp_path):
    plan = make_plan(tmp_path / "net/1/model.plan", 1)
    config(tmp_path, max_delay_ms=5)
    server = serve(tmp_path)
    local = Local(plan)
    requests = [rows(1 + i % 3, i) for i in range(32)]
    expected = [local(x) for x in requests]
    answered, refused, wrong = [], [], []
    begun = threading.Semaphore(0)

    def client(index):
        way = ("http", "grpc")[index % 2]
        connection = connect(way, server)
        while True:
            try:
                y = infer(way, server, requests[index], connection)
            except Exception as error:  # sorted below: how a refusal looks is the client's
                refused.append(f"{type(error).__name__}: {error}")
                return
            (answered if same_bits(y, expected[index]) else wrong).append(index)
            begun.release()

    with ThreadPoolExecutor(32) as pool:
        clients = [pool.submit(client, i) for i in range(32)]
        for _ in range(200):
            begun.acquire(timeout=60)
        code = server.terminate()
        for c in clients:
            c.result()
    log = server.log.read_text()
    assert code == 0
    assert not wrong
    assert len(refused) == 32  # each client was refused once, and then left
    assert not [r for r in refused if "500" in r or "404" in r or "INTERNAL" in r]
    assert len(answered) >= 200
    assert f"drained: {len(answered)} accepted, {len(answered)} answered" in log


def test_a_reload_under_load_refuses_nobody(serve, tmp_path):
    plans = [make_plan(tmp_path / f"seed{seed}.plan", seed) for seed in (1, 2)]
    served = tmp_path / "models/net/1/model.plan"
    served.parent.mkdir(parents=True)
    served.write_bytes(plans[0].read_bytes())
    server = serve(tmp_path / "models")
    x = rows(2)
    expected = [Local(plan)(x) for plan in plans]
    ended = threading.Event()

    def client(index):
        connection, answers = connect(("http", "grpc")[index % 2], server), []
        while not ended.is_set():
            answers.append(infer(None, server, x, connection))
        connection[1].close()
        return answers

    with ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(client, i) for i in range(8)]
        for turn in range(1, 11):
            # A new file in place of the old, whose plan maps its bytes.
            fresh = served.with_suffix(".new")
            fresh.write_bytes(plans[turn % 2].read_bytes())
            fresh.rename(served)
            assert server.post("/v2/repository/models/net/load")[0] == 200
        ended.set()
        answers = [y for c in clients for y in c.result()]
    which = [[same_bits(y, e) for e in expected] for y in answers]
    assert all(sum(match) == 1 for match in which)
    assert all(any(match[i] for match in which) for i in (0, 1))
    assert same_bits(infer("http", server, x), expected[0])


def malformed(draw, good):
    """A body near a good one: bytes changed, cut, doubled, or replaced by noise."""
    body = bytearray(good)
    kind = draw.randrange(5)
    if kind == 0:
        for _ in range(draw.randrange(1, 9)):
            body[draw.randrange(len(body))] = draw.randrange(256)
    elif kind == 1:
        del body[draw.randrange(len(body)) :]
    elif kind == 2:
        at = draw.randrange(len(body))
        body[at:at] = body[: draw.randrange(len(body))]
    elif kind == 3:
        body = bytearray(draw.randbytes(draw.randrange(200)))
    else:
        words = (
            b"null",
            b"-1",
            b"1e999",
            b'"x"',
            b"[]",
            b"{}",
            b"[[[[[[[[" * 40,
            b"true",
            b"9" * 40,
        )
        at = draw.randrange(len(body))
        body[at : at + draw.randrange(20)] = draw.choice(words)
    return bytes(body)


def good_bodies():
    """A JSON request, and one whose tensor follows as bytes: (body, length of the JSON)."""
    x = rows(1)
    tensor = {"name": "x", "shape": list(x.shape), "datatype": "FP32"}
    as_json = json.dumps({"inputs": [{**tensor, "data": np.round(x, 2).ravel().tolist()}]}).encode()
    head = json.dumps(
        {
            "id": "1",
            "inputs": [{**tensor, "parameters": {"binary_data_size": x.nbytes}}],
            "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
        }
    ).encode()
    return (as_json, None), (head + x.tobytes(), len(head))


def test_malformed_http_bodies_are_refused_and_do_no_harm(serve, tmp_path):
    plan = make_plan(tmp_path / "net/1/model.plan", 1)
    server = serve(tmp_path)
    draw = random.Random(20261127)
    paths = ["/v2/models/net/infer"] * 6 + [
        "/v2/models/net/versions/1/infer",
        "/v1/models/net:predict",
        "/v1/models/net:explain",
    ]
    seen = set()
    connection = http.client.HTTPConnection(server.url, timeout=60)
    for _ in range(600):
        good, json_size = draw.choice(good_bodies())
        kinds = ("application/json", "application/octet-stream", "application/cloudevents+json", "")
        headers = {"content-type": draw.choice(kinds)}
        if draw.random() < 0.05:
            headers |= {f"ce-{key}": "1.0" for key in ("specversion", "id", "source", "type")}
        if json_size is not None:
            lengths = (json_size, json_size, json_size, -1, 0, 10**30, "x", json_size + 7)
            headers["inference-header-content-length"] = str(draw.choice(lengths))
        body = malformed(draw, good) if draw.random() < 0.9 else good
        connection.request("POST", draw.choice(paths), body, headers)
        response = connection.getresponse()
        text = response.read()
        seen.add(response.status)
        assert response.status == 200 or 400 <= response.status < 500, (text, headers, body)
    connection.close()
    assert {200, 400} <= seen
    assert server.process.poll() is None
    assert same_bits(infer("http", server, rows(2)), Local(plan)(rows(2)))


def test_malformed_grpc_messages_are_refused_and_do_no_harm(serve, tmp_path):
    import grpc
    from tritonclient.grpc import service_pb2

    plan = make_plan(tmp_path / "net/1/model.plan", 1)
    server = serve(tmp_path)
    x = rows(1)
    request = service_pb2.ModelInferRequest(model_name="net", raw_input_contents=[x.tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=x.shape)
    good = request.SerializeToString()
    draw = random.Random(20261127)
    seen = set()
    with grpc.insecure_channel(server.grpc_url) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        for _ in range(400):
            try:
                call(malformed(draw, good), timeout=60)
                seen.add("OK")
            except grpc.RpcError as error:
                seen.add(error.code().name)
    assert "INVALID_ARGUMENT" in seen
    assert seen <= {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}
    assert "Internal server error" not in server.log.read_text()
    assert server.process.poll() is None
    assert same_bits(infer("grpc", server, rows(2)), Local(plan)(rows(2)))


def test_bytes_that_are_no_http_do_no_harm(serve, tmp_path):
    import socket

    make_plan(tmp_path / "net/1/model.plan", 1)
    server = serve(tmp_path)
    draw = random.Random(3)
    for port in (server.http_port, server.grpc_port) * 20:
        with socket.create_connection(("127.0.0.1", port), 60) as s:
            s.sendall(draw.randbytes(draw.randrange(1, 400)))
    # A body that ends before its length, and one that never comes.
    for body in (b"{", b""):
        with socket.create_connection(("127.0.0.1", server.http_port), 60) as s:
            head = "POST /v2/models/net/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 999\r\n\r\n"
            s.sendall(head.encode() + body)
    assert server.process.poll() is None
    for way in ("http", "grpc"):
        assert infer(way, server, rows(1)).shape == (1, 5)
    assert server.terminate() == 0
