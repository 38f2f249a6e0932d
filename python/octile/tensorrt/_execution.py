"""Running a context: addresses are checked, bound or copied, then the native engine runs.

Memory of bindings is used where it stands, and the native context checks it as it runs; HALF and
BF16 bindings, those whose shape depends on values and outputs in an input's memory are copied. The
CPU runs at once, whatever the stream.
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

import octile

from ._assertions import what_failed
from ._facts import Io
from ._native_values import ApiError
from ._types import Dims, ErrorCodeTRT, Severity, TensorLocation
from ._values import array_at, as_address, from_native, storage_type, write_at

__all__: list = []

_ALIGNMENT = 256


class Execution:
    """The part of IExecutionContext that runs."""

    # --- calls ---
    def execute_v2(self, bindings: Sequence[int]) -> bool:
        """Runs with one address for each input and output, in their order."""
        return self._with_bindings("IExecutionContext::executeV2", bindings, 0)

    def execute_async_v2(
        self, bindings: Sequence[int], stream_handle: Any = 0, input_consumed: Any = None
    ) -> bool:
        """As execute_v2(): the CPU runs at once."""
        stream = as_address(stream_handle, "execute_async_v2(): stream_handle")
        return self._with_bindings("IExecutionContext::enqueueV2", bindings, stream)

    def execute_async_v3(self, stream_handle: Any) -> bool:
        """Runs with the addresses that were set. False when something is missing (told)."""
        stream = as_address(stream_handle, "execute_async_v3(): stream_handle")
        place = "IExecutionContext::enqueueV3"
        return self._run(place, self._addresses, self._allocators, stream)

    def _with_bindings(self, place: str, bindings: Sequence[Any], stream: int) -> bool:
        given = [as_address(b, "bindings") for b in bindings]
        tensors, profiles = self._engine._io, self._engine.num_optimization_profiles
        count = len(tensors)
        first = self._profile * count if len(given) == count * profiles else 0
        if len(given) - first < count:
            return self._fail(place, f"{len(given)} bindings for {count} inputs and outputs", False)
        addresses = {io.name: given[first + place] for place, io in enumerate(tensors)}
        return self._run(place, addresses, {}, stream)

    def _run(self, place: str, addresses: dict, allocators: dict, stream: int) -> bool:
        with self._lock:
            self._found_shapes = {}
            try:
                for io in self._engine._io:
                    self._check_set(io, addresses, allocators)
                unequal = self._unequal_labels()
                if unequal:
                    raise ApiError(unequal)
                self._bind_inputs(addresses)
                outputs = self._bind_outputs(addresses, allocators, stream)
                self._run_native()
                self._check_assertions()
                self._copy_outputs(outputs, addresses, allocators, stream)
                self._show_debug_tensors(stream)
            except (ApiError, octile.Error) as error:
                return self._fail(place, error, False, ErrorCodeTRT.FAILED_EXECUTION)
            if self._profiler is not None and self.enqueue_emits_profile:
                self._report_times()
        self._record_event(stream)
        return True

    # --- before running ---
    def _check_set(self, io: Io, addresses: dict, allocators: dict) -> None:
        """ApiError for a shape or address that was not set."""
        if io.is_input and self._shapes[io.name] is None:
            raise ApiError(
                "Parameter check failed, condition: allInputDimensionsSpecified(). The shape of "
                f"dynamic input tensor {io.name} was not set. Call setInputShape before "
                "enqueue/execute."
            )
        if addresses.get(io.name) or self._is_empty(io):
            return
        if io.is_input and io.name not in self._values:
            raise ApiError(
                f"Address is not set for input tensor {io.name}. Call setInputTensorAddress or "
                "setTensorAddress before enqueue/execute."
            )
        if not io.is_input and allocators.get(io.name) is None:
            raise ApiError(
                f"Neither address or allocator is set for output tensor {io.name}. Call "
                "setOutputTensorAddress, setTensorAddress or setOutputAllocator before "
                "enqueue/execute."
            )

    def _unequal_labels(self) -> str:
        """Which extents of one name (ITensor.set_dimension_name) differ; empty for none."""
        for label, places in self._engine._facts.labels:
            found = {self._shapes[name][axis] for name, axis in places}
            if len(found) > 1:
                shown = ", ".join(
                    f"{self._shapes[name][axis]} ('{name}', axis {axis})" for name, axis in places
                )
                return f"dimension '{label}' has several extents: {shown}"
        return ""

    def _is_empty(self, io: Io) -> bool:
        """Whether the tensor has no elements, so that it needs no memory."""
        if any(shape is None for shape in self._shapes.values()):
            return False
        return not io.from_values and 0 in tuple(self._shape_of(io))

    def _bind_inputs(self, addresses: dict) -> None:
        native = self._native()
        for io in self._engine._io:
            if not io.is_input:
                continue
            shape, what = self._shapes[io.name], f"input '{io.name}'"
            if not addresses.get(io.name) and io.name in self._values:
                native.set_input(io.name, self._values[io.name])
            elif io.converts and 0 not in shape:
                native.set_input(io.name, array_at(addresses[io.name], io.dtype, shape, what))
            else:
                address = addresses.get(io.name, 0)
                native.set_input_shape(io.name, shape)
                native.bind_input(io.name, _NOTHING.ctypes.data if 0 in shape else address)

    def _bind_outputs(self, addresses: dict, allocators: dict, stream: int) -> list:
        """Binds outputs that need no copy and returns the others."""
        native, others = self._native(), []
        for io in self._engine._io:
            if io.is_input:
                continue
            if io.converts or io.from_values or io.name in self._engine._facts.aliases:
                others.append(io)
                continue
            shape = native.shape(io.name)
            address = addresses.get(io.name, 0)
            if allocators.get(io.name) is not None:
                address = self._allocate(io, shape, allocators, stream)
            native.bind_output(io.name, _NOTHING.ctypes.data if 0 in shape else address)
        return others

    # --- running ---
    def _run_native(self) -> None:
        native = self._native()
        if self._profiler is None:
            native.set_profiler(None)
            native.run()
            return
        nanoseconds: dict = {}

        def tell(step: int, time: int) -> None:
            nanoseconds[step] = nanoseconds.get(step, 0) + time

        native.set_profiler(tell)
        try:
            native.run()
        finally:
            native.set_profiler(None)
        layers = self._engine._native.plan.layers()
        suffix = f" [profile {self._profile}]" if self._profile else ""
        self._times = [
            (layers[step].name + suffix, time / 1e6) for step, time in sorted(nanoseconds.items())
        ]

    def _probe(self) -> dict:
        """Output shapes that follow from shape inputs, by a run on zeros in place of data.

        Its own arrays do not stand in NumPy's memory: programs of 8.x give addresses of arrays
        that are gone, whose memory NumPy would hand out again.
        """
        shape_inputs = [io for io in self._engine._io if io.is_input and io.gives_shapes]
        if not all(self._has_values(io) for io in shape_inputs):
            return {}
        values = {io.name: self._values_of(io) for io in shape_inputs}
        key = (tuple(self._shapes.items()), tuple(v.tobytes() for v in values.values()))
        if self._probed is None or self._probed[0] != key:
            inputs = {}
            for binding in self._engine._native.bindings:
                if binding.is_input:
                    zeros = _zeros(self._shapes[binding.name], np.dtype(binding.dtype))
                    inputs[binding.name] = values.get(binding.name, zeros)
            outputs = self._engine._native.create_context(self._profile).run(list(inputs.values()))
            shapes = {name: array.shape for name, array in outputs.items()}
            names = [condition["tensor"] for condition in self._engine._facts.conditions]
            self._probed = (key, shapes, {name: outputs[name] for name in names})
        return self._probed[1]

    # --- assertions ---
    def _early_failure(self) -> str:
        """What an assertion says that is false under the shapes and shape inputs set."""
        early = [c for c in self._engine._facts.conditions if c["early"]]
        try:
            if not early or not self._probe():
                return ""
        except octile.Error as error:
            return str(error)
        return what_failed(early, self._probed[2])

    def _check_assertions(self) -> None:
        """ApiError where an assertion is false after running."""
        conditions = self._engine._facts.conditions
        values = {c["tensor"]: self._native().output(c["tensor"]) for c in conditions}
        failure = what_failed(conditions, values)
        if failure:
            raise ApiError(failure)

    # --- after running ---
    def _copy_outputs(self, outputs: list, addresses: dict, allocators: dict, stream: int) -> None:
        for io in outputs:
            array = from_native(self._native().output(io.name), io.dtype)
            address = addresses.get(io.name, 0)
            if allocators.get(io.name) is not None:
                address = self._allocate(io, array.shape, allocators, stream)
            write_at(address, array, f"output '{io.name}' of shape {array.shape}")
            if io.late and allocators.get(io.name) is None:
                self._found_shapes[io.name] = array.shape

    def _allocate(self, io: Io, shape: tuple, allocators: dict, stream: int) -> int:
        """The address that an output allocator gives. Raises ApiError when it gives none."""
        allocator, current = allocators[io.name], self._addresses.get(io.name, 0)
        count = storage_type(io.dtype).itemsize
        for extent in shape:
            count *= extent
        try:
            address = as_address(
                allocator.reallocate_output_async(
                    io.name, current, max(count, 1), _ALIGNMENT, stream
                ),
                "the result of reallocate_output()",
            )
            allocator.notify_shape(io.name, Dims(shape))
        except Exception as error:
            raise ApiError(
                f"output allocator of '{io.name}': {type(error).__name__}: {error}",
                ErrorCodeTRT.FAILED_ALLOCATION,
            ) from None
        if address == 0 and count:
            raise ApiError(
                f"output allocator of '{io.name}' gave no memory for {count} bytes",
                ErrorCodeTRT.FAILED_ALLOCATION,
            )
        self._addresses[io.name] = address
        return address

    def _show_debug_tensors(self, stream: int) -> None:
        if self._listener is None:
            return
        facts = self._engine._facts
        for io in [*facts.debug, *facts.io]:
            if io.name not in self._watched:
                continue
            array = from_native(self._native().output(io.name), io.dtype)
            try:
                accepted = self._listener.process_debug_tensor(
                    array.ctypes.data,
                    TensorLocation.DEVICE,
                    io.dtype,
                    Dims(array.shape),
                    io.name,
                    stream,
                )
            except Exception as error:
                raise ApiError(
                    f"debug listener, tensor '{io.name}': {type(error).__name__}: {error}"
                ) from None
            if accepted is False:
                raise ApiError(f"the debug listener refused tensor '{io.name}'")

    def _report_times(self) -> None:
        for name, milliseconds in self._times:
            try:
                self._profiler.report_layer_time(name, milliseconds)
            except Exception as error:
                self._log(Severity.ERROR, f"Exception caught in report_layer_time(): {error!r}")
                return

    def _record_event(self, stream: int) -> None:
        """Records the event of set_input_consumed_event()."""
        if self._event:
            from octile import cudart

            cudart.cudaEventRecord(self._event, stream)


def _zeros(shape: tuple, dtype: np.dtype) -> np.ndarray:
    count = dtype.itemsize
    for extent in shape:
        count *= extent
    return np.frombuffer(bytes(count), dtype).reshape(shape)


_NOTHING = np.zeros(64, np.uint8)  # where outputs without elements are bound
