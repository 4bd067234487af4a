"""The only importer of tensorrt and of CUDA's runtime on the box: loads an engine and runs it.

Written against TensorRT 10.3 (JetPack 6) to 11.4 and cuda-bindings 12; checked against the
packages' own binaries (tests/device/test_tensorrt_package.py), not yet run on a GPU.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from device.infer.engine import Machine, l4t_release
from device.paths import JETSON_MARK
from ota.errors import Broken, Refused

if TYPE_CHECKING:
    from cuda.bindings import runtime
    from tensorrt import ICudaEngine, ILogger

WORDS_MAX = 160
DEVICE = 0


def machine() -> Machine:
    """This machine as an engine sees it. Raises Refused with a short reason when there is no
    TensorRT, no CUDA runtime or no GPU."""
    try:
        import tensorrt
        from cuda.bindings import runtime
    except (ImportError, OSError) as error:
        missing = getattr(error, "name", None) or str(error).splitlines()[0][:WORDS_MAX]
        raise Refused(f"the Python package {missing} is not installed") from error
    try:
        kinds = runtime.cudaDeviceAttr
        major = _checked(runtime.cudaDeviceGetAttribute(
            kinds.cudaDevAttrComputeCapabilityMajor, DEVICE))
        minor = _checked(runtime.cudaDeviceGetAttribute(
            kinds.cudaDevAttrComputeCapabilityMinor, DEVICE))
    except (Broken, RuntimeError) as error:
        raise Refused(f"there is no usable NVIDIA GPU ({str(error)[:WORDS_MAX]})") from error
    release = JETSON_MARK.read_text() if JETSON_MARK.exists() else ""
    return Machine(tensorrt.__version__, f"{major}.{minor}", l4t_release(release))


def listening_logger() -> tuple[ILogger, list[str]]:
    """A logger for TensorRT, and the list that holds its last error in its own words."""
    import tensorrt

    heard: list[str] = []
    loud = (tensorrt.ILogger.Severity.INTERNAL_ERROR, tensorrt.ILogger.Severity.ERROR)

    class Listener(tensorrt.ILogger):
        def __init__(self) -> None:
            # The bound C++ class wants its own constructor called by name.
            tensorrt.ILogger.__init__(self)

        def log(self, severity: ILogger.Severity, msg: str) -> None:
            if severity in loud:
                heard[:] = [msg.strip()[:WORDS_MAX]]

    return Listener(), heard


@dataclass(frozen=True)
class Tensor:
    """One bound input or output of an engine; `address` is its memory on the GPU."""

    name: str
    is_input: bool
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    address: int

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole tensor."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


class EngineSession:
    """A deserialised engine that is ready to run. Not for two threads at once; `close` frees."""

    provider = "tensorrt"

    def __init__(self, plan: bytes) -> None:
        """Raises Refused when TensorRT does not take `plan`, Broken when memory is short."""
        import tensorrt
        from cuda.bindings import runtime

        logger, heard = listening_logger()
        self._keep: list[object] = [logger]
        try:
            loader = tensorrt.Runtime(logger)
            engine: ICudaEngine | None = loader.deserialize_cuda_engine(plan)
        except (RuntimeError, TypeError, ValueError) as error:
            raise Refused(f"TensorRT cannot start ({_said(heard, error)})") from error
        if engine is None:
            raise Refused(f"TensorRT does not accept it ({_said(heard)})")
        context = engine.create_execution_context()
        if context is None:
            raise Broken(f"TensorRT has no memory for it ({_said(heard)})")
        # The order of release matters to TensorRT: context, engine, runtime, logger.
        self._keep += [loader, engine]
        self._context, self._heard = context, heard
        self._stream = _checked(runtime.cudaStreamCreate())
        held: list[int] = []
        self._finalizer = weakref.finalize(self, _release, runtime.cudaFree, held,
                                           runtime.cudaStreamDestroy, self._stream)
        self.tensors = tuple(self._bind(engine, index, held)
                             for index in range(engine.num_io_tensors))
        self.inputs: dict[str, tuple[int | str | None, ...]] = {
            t.name: t.shape for t in self.tensors if t.is_input}

    def _bind(self, engine: ICudaEngine, index: int, held: list[int]) -> Tensor:
        import tensorrt
        from cuda.bindings import runtime

        name = engine.get_tensor_name(index)
        dims = engine.get_tensor_shape(name)
        shape = tuple(dims[axis] for axis in range(len(dims)))
        if any(size < 1 for size in shape):
            raise Refused(f"its tensor {name} has no fixed shape")
        dtype = np.dtype(tensorrt.nptype(engine.get_tensor_dtype(name)))
        is_input = engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT
        size_bytes = int(np.prod(shape)) * dtype.itemsize
        address = int(_checked(runtime.cudaMalloc(size_bytes)))
        held.append(address)
        if not self._context.set_tensor_address(name, address):
            raise Broken(f"TensorRT does not bind {name} ({_said(self._heard)})")
        return Tensor(name, is_input, shape, dtype, address)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """One inference: arrays by input name in, new arrays by output name back.

        Raises Broken for a wrong input and for every failure of the GPU.
        """
        from cuda.bindings import runtime

        kinds = runtime.cudaMemcpyKind
        # Both sides of every copy live until the stream is done.
        given: list[NDArray[Any]] = []
        results: dict[str, NDArray[Any]] = {}
        for tensor in self.tensors:
            if tensor.is_input:
                array = self._input(tensor, feeds)
                given.append(array)
                _checked(runtime.cudaMemcpyAsync(
                    tensor.address, array.ctypes.data, tensor.size_bytes,
                    kinds.cudaMemcpyHostToDevice, self._stream))
        if not self._context.execute_async_v3(int(self._stream)):
            raise Broken(f"TensorRT failed to run ({_said(self._heard)})")
        for tensor in self.tensors:
            if not tensor.is_input:
                result = results[tensor.name] = np.empty(tensor.shape, tensor.dtype)
                _checked(runtime.cudaMemcpyAsync(
                    result.ctypes.data, tensor.address, tensor.size_bytes,
                    kinds.cudaMemcpyDeviceToHost, self._stream))
        _checked(runtime.cudaStreamSynchronize(self._stream))
        return results

    @staticmethod
    def _input(tensor: Tensor, feeds: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        array = feeds.get(tensor.name)
        if array is None or array.shape != tensor.shape:
            was = "missing" if array is None else f"of shape {array.shape}"
            raise Broken(f"The input {tensor.name} is {was}, the engine wants {tensor.shape}.")
        return np.ascontiguousarray(array, tensor.dtype)

    def close(self) -> None:
        """Give the GPU's memory back; twice does no harm."""
        self._finalizer()


def _release(free: Any, held: list[int], destroy: Any, stream: Any) -> None:
    """No error is raised: after a failure of the GPU all of these fail as well."""
    for address in held:
        free(address)
    held.clear()
    destroy(stream)


def _checked(result: tuple[Any, ...]) -> Any:
    """The value of a CUDA call `(error, value?)`. Raises Broken with CUDA's name of the error."""
    from cuda.bindings import runtime

    error: runtime.cudaError_t = result[0]
    if error != runtime.cudaError_t.cudaSuccess:
        raise Broken(f"CUDA: {error.name}")
    return result[1] if len(result) > 1 else None


def _said(heard: list[str], error: BaseException | None = None) -> str:
    return (heard[0] if heard else str(error or "it does not say why"))[:WORDS_MAX]
