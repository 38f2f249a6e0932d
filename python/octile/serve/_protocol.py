"""KServe's protocol handlers, with what version 0.21 leaves out: versions, loads over gRPC, and a
4xx where a malformed request would be its 500.

Each class takes the place of the KServe class that it extends; nothing here is protocol of ours.
"""

from __future__ import annotations

import asyncio

from google.protobuf.message import DecodeError
from grpc import StatusCode, aio, unary_unary_rpc_method_handler
from kserve import InferInput, InferRequest, InferResponse
from kserve.constants.constants import PredictorProtocol
from kserve.errors import InvalidInput, ModelNotFound, ServerNotReady
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
from kserve.protocol.grpc.server import GRPCServer
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.infer_type import RequestedOutput
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.v2_datamodels import InferenceRequest, RequestInput
from pydantic import ValidationError

from ._limits import Bodies, Refused
from ._model import Busy
from ._repository import OctileRepository, qualified

JSON_LENGTH = "inference-header-content-length"
_STATUS = {413: StatusCode.RESOURCE_EXHAUSTED, 503: StatusCode.UNAVAILABLE}


class _BinaryInput(RequestInput):
    data: list | None = None


class _BinaryRequest(InferenceRequest):
    """A request whose tensors may follow the JSON as bytes."""

    inputs: list[_BinaryInput]


class Stopping(Busy):
    """The server takes no more requests."""

    def __init__(self, model: str) -> None:
        super().__init__(model, "the server is stopping")


class OctileDataPlane(DataPlane):
    """Decodes requests, finds the version, counts what is under way, refuses when stopping."""

    def __init__(self, model_registry: OctileRepository) -> None:
        super().__init__(model_registry=model_registry)
        self.accepted = self.answered = 0
        self.stopping = False

    async def ready(self) -> bool:
        models = self.model_registry.all_models()
        return not self.stopping and all(model.ready for model in models)

    async def model_metadata(self, model_name: str) -> dict:
        metadata = await super().model_metadata(model_name)
        name = model_name.partition(":")[0]
        versions = self.model_registry.versions(name)
        return {**metadata, "name": name, "versions": versions, "platform": "octile"}

    def decode(
        self, body, headers, protocol_version: str = "v1", model_name: str | None = None
    ) -> tuple[InferRequest, dict]:
        if protocol_version.lower() != PredictorProtocol.REST_V2.value:
            raise InvalidInput(
                "this server speaks version 2 of the protocol: POST tensors to /v2/models/…/infer"
            )
        return super().decode(body, headers, protocol_version, model_name)

    def encode(self, model_name: str, response, headers, req_attributes: dict) -> tuple:
        """No cloud events: they belong to version 1."""
        return super().encode(model_name, response, {}, req_attributes)

    def decode_inference_request(
        self, body: bytes | InferenceRequest, headers: dict, model_name: str
    ) -> InferRequest:
        """Bytes stay bytes (KServe's own makes a list of Python numbers of them)."""
        if not isinstance(body, bytes):
            return super().decode_inference_request(body, headers, model_name)
        json_size = _json_size(headers, len(body))
        try:
            request = _BinaryRequest.model_validate_json(body[:json_size])
        except ValidationError as error:
            raise InvalidInput(reason_of(error.errors(include_url=False))) from None
        return _with_bytes(request, body, json_size, model_name)

    async def infer(
        self,
        model_name: str,
        request: dict | InferRequest,
        headers: dict[str, str] | None = None,
    ) -> tuple[dict | InferResponse, dict[str, str]]:
        if isinstance(request, InferRequest) and ":" not in model_name:
            model_name = qualified(model_name, request.model_version)
        model = self.model_registry.get_model(model_name)
        if model is None:
            raise ModelNotFound(model_name)
        if self.stopping:
            raise Stopping(model_name)
        self.accepted += 1
        try:
            response, response_headers = await model(request, headers=headers)
        finally:
            self.answered += 1
        return response, response_headers


def _json_size(headers: dict, whole: int) -> int:
    """Where the JSON ends: at the end of the body when no header says so."""
    text = headers.get(JSON_LENGTH, str(whole))
    if not (text.isascii() and text.isdecimal()) or int(text) > whole:
        raise InvalidInput(f"{JSON_LENGTH}: '{text[:32]}' is no size within a body of {whole}")
    return int(text)


def _with_bytes(request: _BinaryRequest, body: bytes, begin: int, model_name: str) -> InferRequest:
    inputs, raw = [], []
    for given in request.inputs:
        parameters = given.parameters or {}
        tensor = InferInput(given.name, given.shape, given.datatype, given.data, parameters)
        size = None
        if given.data is None:
            size = parameters.get("binary_data_size")
            if type(size) is not int or not 0 <= size <= len(body) - begin:
                raise InvalidInput(
                    f"input '{given.name}' has no data, and its binary_data_size {size!r} is not "
                    f"within the {len(body) - begin} bytes that are left"
                )
        raw.append(None if size is None else body[begin : begin + size])
        begin += size or 0
        inputs.append(tensor)
    if begin != len(body) and any(r is not None for r in raw):
        raise InvalidInput(f"{len(body) - begin} bytes are left behind the last input")
    outputs = [RequestedOutput(o.name, o.parameters or {}) for o in request.outputs or ()]
    return InferRequest(
        model_name,
        inputs,
        request_id=request.id,
        raw_inputs=raw,
        parameters=request.parameters,
        request_outputs=outputs or None,
    )


def reason_of(errors: list[dict]) -> str:
    """The first thing that pydantic finds wrong, without the input's values."""
    place = ".".join(str(part) for part in errors[0].get("loc", ()))
    return f"malformed request: {place}: {errors[0].get('msg', '')}"[:500]


class OctileExtension(ModelRepositoryExtension):
    """KServe's REST handlers ignore what these return; its gRPC handlers need it."""

    stopping = False

    async def load(self, model_name: str) -> dict:
        if self.stopping:
            raise Stopping(model_name)
        if ":" in model_name:
            raise InvalidInput(f"'{model_name}': versions are loaded with their model")
        try:
            await self._model_registry.load(model_name)
        except ModelNotFound:
            raise
        except Exception as error:
            raise Busy(model_name, f"it cannot be loaded: {error}") from error
        return {"name": model_name, "load": True}

    async def unload(self, model_name: str) -> dict:
        await super().unload(model_name)
        return {"name": model_name, "unload": True}


class _Servicer(InferenceServicer):
    """KServe's, with versions."""

    async def ModelReady(self, request, context):  # noqa: N802 (gRPC's name)
        name = qualified(request.name, request.version)
        return await super().ModelReady(pb.ModelReadyRequest(name=name), context)

    async def ModelMetadata(self, request, context):  # noqa: N802
        name = qualified(request.name, request.version)
        response = await super().ModelMetadata(pb.ModelMetadataRequest(name=name), context)
        response.versions.extend((await self._data_plane.model_metadata(name))["versions"])
        return response


class _Interceptor(ExceptionToStatusInterceptor):
    """KServe's reads a `reason` that some of its own exceptions lack."""

    async def handle_exception(self, ex, request_or_iterator, context, method_name):
        if isinstance(ex, (Busy, ServerNotReady)):
            await context.abort(StatusCode.UNAVAILABLE, str(ex))
        elif isinstance(ex, NotImplementedError):
            await context.abort(StatusCode.UNIMPLEMENTED, str(ex))
        elif isinstance(ex, asyncio.CancelledError):
            raise ex
        await super().handle_exception(ex, request_or_iterator, context, method_name)


class _Limits(aio.ServerInterceptor):
    """Counts messages, before they are decoded, among the bodies under way."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    async def intercept_service(self, continuation, details):
        handler = await continuation(details)
        if handler is None or not handler.unary_unary:
            return handler

        async def counted(message: bytes, context):
            with self._bodies.one() as body:
                try:
                    body.grow(len(message), 0)
                    request = handler.request_deserializer(message)
                    if not getattr(request, "raw_input_contents", None):
                        body.grow(len(message), len(message))
                except Refused as refused:
                    await context.abort(_STATUS[refused.status], str(refused))
                except DecodeError:
                    await context.abort(StatusCode.INVALID_ARGUMENT, "the message is malformed")
                return await handler.unary_unary(request, context)

        return unary_unary_rpc_method_handler(
            counted, response_serializer=handler.response_serializer
        )


class OctileGrpcServer(GRPCServer):
    """KServe's, with the handlers above and an address of the caller's choice."""

    def __init__(self, host: str, port: int, *args, bodies: Bodies, grace_period: int) -> None:
        super().__init__(port, *args, kwargs={}, grace_period=grace_period)
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._bodies = bodies

    async def start(self, max_workers: int | None = None) -> None:
        # One server a port: gRPC's own choice lets several share it unawares.
        options = [("grpc.so_reuseport", 0)]
        options.append(("grpc.max_send_message_length", -1))  # as long as the model's answers are
        options.append(("grpc.max_receive_message_length", min(self._bodies.most_bytes, 2**31 - 1)))
        interceptors = (_Limits(self._bodies), _Interceptor())
        self._server = aio.server(interceptors=interceptors, options=options)
        servicer = _Servicer(self._data_plane, self._model_repository_extension)
        grpc_predict_v2_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, self._server)
        self._server.add_insecure_port(self._address)
        await self._server.start()
        await self._server.wait_for_termination()
