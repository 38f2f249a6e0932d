"""OctileModel: a plan as a kserve.Model, for `octile-serve` and for servers of one's own."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import numpy as np
from kserve import InferRequest, InferResponse, Model
from kserve.errors import InvalidInput, ModelNotReady
from kserve.model import InferenceVerb
from kserve.utils.utils import generate_uuid

import octile
from octile import _log

from ._batcher import Batcher, QueueFull, Request, Stopped
from ._engine import ServedEngine, load_plan
from ._metrics import ModelMetrics
from ._options import Options
from ._tensors import described, inputs_of, output_of, wanted_of


class Busy(ModelNotReady):
    """The request is refused at once and may be tried again: 503, or UNAVAILABLE."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model)
        self.error_msg = self.reason = f"Model {model}: {reason}"


class OctileModel(Model):
    """An OctileModel serves one plan, or one ONNX file that it builds, by the protocol's version 2.

        kserve.ModelServer().start([octile.serve.OctileModel("digits", "digits.plan")])

    Loaded when constructed (octile.Error, ValueError). Subclasses override preprocess() and
    postprocess(), as any kserve.Model's do. The rest of the keywords is Options'.
    """

    def __init__(
        self,
        name: str,
        path: str | os.PathLike,
        options: Options | None = None,
        *,
        version: str = "1",
        **keywords: object,
    ) -> None:
        super().__init__(name)
        self.version = version
        self._path = Path(path)
        self._options = options or Options(**keywords)
        self._metrics = ModelMetrics(name, version)
        self._active = 0
        self._batcher: Batcher | None = None
        self.load()

    def load(self) -> bool:
        """Loads the file; after stop() anew. A model that is loaded stays as it is."""
        if not self.ready:
            self._engine = self.make_engine(self._path, self._options)
            if self._batcher:
                self._batcher.stop()
            self._batcher = Batcher(
                self._engine.run,
                self._metrics,
                instances=self._engine.instances,
                queue=self._options.queue,
                max_delay=self._options.max_delay_ms / 1e3,
                name=f"{self.name}:{self.version}",
            )
            self.ready = True
        return self.ready

    def make_engine(self, path: Path, options: Options) -> ServedEngine:
        """What runs the batches, on load(). Overridden, it may be another engine's."""
        return ServedEngine(load_plan(path, options), options, self._log)

    @property
    def most_values(self) -> int:
        """Values that the largest request has, all inputs together."""
        return self._engine.most_values

    def start(self) -> None:
        """Nothing is left to be set up. (KServe's own would make a stopped model ready.)"""

    def hurry(self) -> None:
        """Requests no longer wait for others to share their batch."""
        self._batcher.hurry()

    def stop(self) -> None:
        """Refuses what comes from now on; what was accepted is still answered."""
        self.ready = False
        self._batcher.hurry()
        self._end_when_idle()

    def _end_when_idle(self) -> None:
        if not self.ready and self._active == 0:
            self._batcher.stop()

    def describe(self) -> str:
        """One line for the log."""
        engine = self._engine
        batches = (
            f"batches of up to {engine.most_rows}"
            if engine.batched
            else f"requests one by one: {engine.unbatched}"
        )
        return (
            f"{self.name} version {self.version} ({self._path.name}): {batches}; "
            f"{engine.instances} x {engine.threads} threads"
        )

    def get_input_types(self) -> list[dict]:
        return described(self._engine.inputs)

    def get_output_types(self) -> list[dict]:
        return described(self._engine.outputs)

    async def __call__(
        self,
        body: dict | InferRequest,
        headers: dict[str, str] | None = None,
        verb: InferenceVerb = InferenceVerb.PREDICT,
    ) -> tuple:
        """A request from preprocess() to postprocess(); stop() waits for those that are within."""
        if not self.ready:
            self._metrics.count("rejected")
            raise Busy(self.name, "it is being unloaded")
        self._active += 1
        try:
            return await super().__call__(body, headers, verb)
        finally:
            self._active -= 1
            self._end_when_idle()

    async def predict(
        self, payload: dict | InferRequest, headers: dict[str, str] | None = None
    ) -> InferResponse:
        try:
            response = await self._predict(payload)
        except InvalidInput:
            self._metrics.count("invalid")
            raise
        except Busy:
            self._metrics.count("rejected")
            raise
        except asyncio.CancelledError:
            self._metrics.count("cancelled")
            raise
        except Exception:
            self._metrics.count("failed")
            raise
        self._metrics.count("ok")
        return response

    async def _predict(self, payload: dict | InferRequest) -> InferResponse:
        if not isinstance(payload, InferRequest):
            raise InvalidInput(
                f"model {self.name} speaks version 2 of the protocol: POST tensors to "
                f"/v2/models/{self.name}/infer"
            )
        wanted = wanted_of(payload, self._engine.outputs)
        outputs = await self._compute(inputs_of(payload, self._engine.inputs))
        return InferResponse(
            payload.id or generate_uuid(),
            self.name,
            [output_of(name, outputs[name]) for name in wanted],
            model_version=self.version,
            requested_outputs=None if payload.from_grpc else payload.request_outputs,
            use_binary_outputs=payload.use_binary_outputs,
        )

    async def _compute(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            return await self._batcher.submit(self._request(inputs))
        except QueueFull:
            raise Busy(self.name, f"its queue of {self._options.queue} is full") from None
        except Stopped:
            raise Busy(self.name, "it is being unloaded") from None
        except octile.InvalidArgument as error:  # values that no shape shows, an index for example
            raise InvalidInput(str(error)) from error

    def _request(self, inputs: dict[str, np.ndarray]) -> Request:
        shapes = {name: array.shape for name, array in inputs.items()}
        try:
            most = self._engine.capacity(shapes)
        except ValueError as error:
            raise InvalidInput(str(error)) from None
        rows = {shape[0] if shape else 1 for shape in shapes.values()}
        if not self._engine.batched:
            return Request(inputs, tuple(shapes.items()), max(rows), max(rows))
        if len(rows) > 1:
            raise InvalidInput(f"inputs differ in their batch: {shapes}")
        return Request(inputs, tuple((n, s[1:]) for n, s in shapes.items()), rows.pop(), most)

    def _log(self, level: str, message: str) -> None:
        _log.tell(level, f"{self.name}: {message}")
