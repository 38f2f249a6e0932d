"""OctileServer: kserve.ModelServer over a folder of models, with a drain.

On SIGTERM, SIGINT or SIGQUIT readiness ends and new requests are refused (503, UNAVAILABLE); when
all that were accepted are answered, the listeners close and the process ends with 0.
"""

from __future__ import annotations

import asyncio
import email.message
import json
import logging
import signal
import sys
from collections.abc import Coroutine

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kserve import ModelServer
from kserve.constants.constants import FASTAPI_APP_IMPORT_STRING
from kserve.model_server import app
from kserve.protocol.rest.server import RESTServer
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from ._limits import Bodies, Refused, longest_of, most_in_sum
from ._protocol import JSON_LENGTH, OctileDataPlane, OctileExtension, OctileGrpcServer, reason_of
from ._repository import OctileRepository

_logger = logging.getLogger("octile")
_CLOSE_SECONDS = 5  # for listeners whose requests are answered: what is left is being written
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class _Front:
    """Before KServe's routes: bodies have limits, and a version in the path becomes a name."""

    def __init__(self, app, bodies: Bodies) -> None:
        self._app, self._bodies = app, bodies

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        scope = {**scope, "path": _with_version(scope["path"])}
        headers = Headers(scope=scope)  # the first of each name, as the decoder reads them
        objects = _json_bytes(headers)
        declared = _size(headers.get("content-length")) or 0
        with self._bodies.one() as body:
            try:
                body.grow(declared, objects)
            except Refused as refused:
                return await _refuse(send, refused.status, str(refused))
            seen = 0

            async def limited():  # chunks, whose sum no header tells, count as they come
                nonlocal seen
                message = await receive()
                seen += len(message.get("body", b""))
                try:
                    body.grow(seen, objects)
                except Refused as refused:
                    raise HTTPException(refused.status, str(refused)) from None
                return message

            await self._app(scope, limited, send)


def _size(text: str | None) -> int | None:
    return int(text) if text and len(text) < 20 and text.isascii() and text.isdecimal() else None


def _json_bytes(headers: Headers) -> int:
    """How much of a body is decoded as JSON: all of it, unless tensors follow as bytes."""
    kind = email.message.Message()
    kind["content-type"] = headers.get("content-type", "")
    length = _size(headers.get(JSON_LENGTH))
    if kind.get_content_subtype().endswith("json") or length is None:
        return sys.maxsize
    return length


def _with_version(path: str) -> str:
    """/v2/models/m/versions/3/infer → /v2/models/m:3/infer"""
    parts = path.split("/")
    if len(parts) >= 6 and parts[1:3] == ["v2", "models"] and parts[4] == "versions":
        parts[3:6] = [f"{parts[3]}:{parts[5]}"]
    return "/".join(parts)


async def _refuse(send, status: int, reason: str) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"error": reason}).encode()})


async def _invalid_request(_, error: RequestValidationError) -> JSONResponse:
    """400 with the reason (FastAPI's own is 422 with the whole request in it)."""
    return JSONResponse({"error": reason_of(error.errors())}, 400)


class _RestServer(RESTServer):
    """KServe's, which leaves signals to the server's drain."""

    def __init__(self, host: str, *args, **keywords) -> None:
        super().__init__(*args, **keywords)
        self.config.host = host
        self._server.handle_exit = lambda *_: None

    def stop(self) -> None:
        self._server.should_exit = True

    @property
    def started(self) -> bool:
        return self._server.started


def _run(main: Coroutine[None, None, None]) -> None:
    """By uvloop where it is, as uvicorn does, at less cost a request."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        new_event_loop = None
    if sys.version_info < (3, 11):
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main)


class OctileServer(ModelServer):
    """Serves a repository; serve() returns when a signal has ended it. One a process.

    Limits of bytes that are None follow from the loaded models and from the memory (_limits.py).
    """

    def __init__(
        self,
        repository: OctileRepository,
        *,
        host: str = "0.0.0.0",
        http_port: int = 8080,
        grpc_port: int = 8081,
        max_request_bytes: int | None = None,
        max_bytes_under_way: int | None = None,
        drain_seconds: int = 30,
    ) -> None:
        super().__init__(
            http_port=http_port,
            grpc_port=grpc_port,
            registered_models=repository,
            workers=1,
            grace_period=drain_seconds,
            enable_latency_logging=False,
        )
        self._repository = repository
        self.dataplane = OctileDataPlane(model_registry=repository)
        self.model_repository_extension = OctileExtension(model_registry=repository)
        self._host = host
        self._bodies = Bodies(
            max_request_bytes or longest_of(repository.all_models()),
            max_bytes_under_way or most_in_sum(),
        )
        self._draining: asyncio.Task | None = None

    def serve(self) -> None:
        """REST and gRPC until a signal comes."""
        app.add_middleware(_Front, bodies=self._bodies)
        app.add_exception_handler(RequestValidationError, _invalid_request)
        handlers = (self.dataplane, self.model_repository_extension)
        self._rest_server = _RestServer(
            self._host,
            FASTAPI_APP_IMPORT_STRING,
            *handlers,
            self.http_port,
            grace_period=_CLOSE_SECONDS,
            timeout_keep_alive=self.timeout_keep_alive,
        )
        self.servers.append(self._rest_server.start())
        if self.enable_grpc and self.grpc_port:
            self._grpc_server = OctileGrpcServer(
                self._host,
                self.grpc_port,
                *handlers,
                bodies=self._bodies,
                grace_period=_CLOSE_SECONDS,
            )
            self.servers.append(self._grpc_server.start())
        _run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._begin_drain, number)
        told = asyncio.create_task(self._tell_started())
        try:
            await asyncio.gather(*self.servers)
        finally:
            told.cancel()
        for model in self._repository.all_models():
            model.stop()

    async def _tell_started(self) -> None:
        while not self._rest_server.started:
            await asyncio.sleep(0.01)
        grpc = f", gRPC on {self._host}:{self.grpc_port}" if self._grpc_server else ""
        _logger.info("ready: HTTP on %s:%s%s", self._host, self.http_port, grpc)

    def _begin_drain(self, number: int) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(signal.Signals(number).name))

    async def _drain(self, name: str) -> None:
        plane = self.dataplane
        plane.stopping = self.model_repository_extension.stopping = True
        for model in self._repository.all_models():
            model.hurry()
        _logger.info("%s: %d requests are under way", name, plane.accepted - plane.answered)
        deadline = asyncio.get_running_loop().time() + self.grace_period
        while plane.accepted > plane.answered and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.005)
        self._rest_server.stop()
        if self._grpc_server:
            await self._grpc_server.stop()
        _logger.info("drained: %d accepted, %d answered", plane.accepted, plane.answered)
