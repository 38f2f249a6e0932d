"""octile-serve's limits of what requests may hold, each alone and all together."""

import http.client
import json

import serve_server
from serve_server import MAX_ROWS, make_plan, needs_kserve, rows
from test_serve_load import infer

pytestmark = needs_kserve
serve = serve_server.serve  # a fixture


def status_of(call):
    try:
        call()
    except Exception as error:  # tritonclient's, by either way
        return error.status()
    return "200"


def test_what_is_under_way_is_bounded_in_sum(serve, tmp_path):
    make_plan(tmp_path / "net/1/model.plan", 1)
    server = serve(tmp_path, "--max-request-bytes=9000", "--max-bytes-under-way=13000")
    path, x = "/v2/models/net/infer", rows(1)
    # JSON counts eightfold: 1,500 bytes as 12,000, and 1,700 can never be taken.
    assert server.post(path, b"[" * 1700)[0] == 413
    held = http.client.HTTPConnection(server.url, timeout=60)
    held.putrequest("POST", path)
    held.putheader("content-length", "1500")
    held.endheaders(b"[")
    while server.metric("octile_body_bytes") < 12000:
        assert server.process.poll() is None
    for _ in range(2):  # what is refused holds nothing
        assert status_of(lambda: infer("http", server, x)) == "503"
        assert status_of(lambda: infer("grpc", server, x)) == "StatusCode.UNAVAILABLE"
        status, text = server.post(path, b"[" * 200)
        assert status == 503
        assert "--max-bytes-under-way" in text
    chunked = http.client.HTTPConnection(server.url, timeout=60)
    chunked.request("POST", path, (b"[" * 50 for _ in range(4)), encode_chunked=True)
    assert chunked.getresponse().status == 503
    held.close()
    chunked.close()
    while server.metric("octile_body_bytes") > 0:
        assert server.process.poll() is None
    for way in ("http", "grpc"):
        assert infer(way, server, x).shape == (1, 5)
    assert server.metric("octile_body_bytes") == 0


def test_the_longest_body_follows_from_the_models(serve, tmp_path):
    make_plan(tmp_path / "net/1/model.plan", 1)
    server = serve(tmp_path)
    values = rows(MAX_ROWS).size
    path, longest = "/v2/models/net/infer", (1 << 20) + 25 * values
    assert server.post(path, b" " * longest)[0] == 400
    connection = http.client.HTTPConnection(server.url, timeout=60)
    connection.putrequest("POST", path)
    connection.putheader("content-length", str(longest + 1))
    connection.endheaders()
    response = connection.getresponse()  # before any of it is sent
    assert response.status == 413
    assert f"{longest} bytes (--max-request-bytes)" in response.read().decode()
    connection.close()
    x = rows(MAX_ROWS)
    tensor = {"name": "x", "shape": x.shape, "datatype": "FP32", "data": x.astype(float).tolist()}
    assert server.post(path, json.dumps({"inputs": [tensor]}).encode())[0] == 200
