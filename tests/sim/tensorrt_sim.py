"""A stand-in for NVIDIA's runtimes: the parts of `tensorrt` and `cuda.bindings.runtime` we call.

It keeps their manners as their documentation tells them: an engine of another version or GPU is
answered with None and an error in the log, the parser refuses zero points and INT32 biases, a
failing launch returns False, CUDA calls return a tuple with an error. "GPU memory" is memory of
this process; a network is computed by ONNX Runtime on the CPU.
"""

from __future__ import annotations

import ctypes
import json
import sys
import types
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

MAGIC = b"SIMPLAN1"
PACKAGES = ("tensorrt", "cuda", "cuda.bindings", "cuda.bindings.runtime")


@dataclass
class SimGpu:
    """One machine with a GPU, and what is wrong with it. `calls` are TensorRT's, in order."""

    tensorrt: str = "10.3.0"
    capability: tuple[int, int] = (8, 7)
    installed: bool = True
    has_gpu: bool = True
    rejects: bool = False
    fails_to_run: bool = False
    draws_nonsense: bool = False
    draws_nan: bool = False
    out_of_memory: bool = False
    fails_to_build: bool = False
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    held: dict[int, Any] = field(default_factory=dict)
    loaded: int = 0

    def install(self, patch: pytest.MonkeyPatch) -> SimGpu:
        """Make `import tensorrt` and `from cuda.bindings import runtime` find this machine."""
        runtime = _runtime_module(self)
        bindings = types.ModuleType("cuda.bindings")
        bindings.runtime = runtime  # type: ignore[attr-defined]
        modules = (_tensorrt_module(self), types.ModuleType("cuda"), bindings, runtime)
        for name, module in zip(PACKAGES, modules, strict=True):
            # None in sys.modules is how Python itself says "not there".
            patch.setitem(sys.modules, name, module if self.installed else None)  # type: ignore[arg-type]
        return self


class Error(IntEnum):
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorIllegalAddress = 700


def _runtime_module(gpu: SimGpu) -> types.ModuleType:
    module: Any = types.ModuleType("cuda.bindings.runtime")
    module.cudaError_t = Error
    module.cudaDeviceAttr = IntEnum("cudaDeviceAttr", {
        "cudaDevAttrComputeCapabilityMajor": 75, "cudaDevAttrComputeCapabilityMinor": 76})
    module.cudaMemcpyKind = IntEnum("cudaMemcpyKind", {
        "cudaMemcpyHostToDevice": 1, "cudaMemcpyDeviceToHost": 2})

    def attribute(attr: int, device: int) -> tuple[Error, int | None]:
        if not gpu.has_gpu:
            return Error.cudaErrorInsufficientDriver, None
        return Error.cudaSuccess, gpu.capability[attr - 75]

    def malloc(size: int) -> tuple[Error, int | None]:
        if gpu.out_of_memory:
            return Error.cudaErrorMemoryAllocation, None
        block = ctypes.create_string_buffer(size)
        gpu.held[ctypes.addressof(block)] = block
        return Error.cudaSuccess, ctypes.addressof(block)

    def copy(target: int, source: int, count: int, kind: int, stream: int) -> tuple[Error]:
        device = target if kind == 1 else source
        if device not in gpu.held or count > len(gpu.held[device]):
            return (Error.cudaErrorIllegalAddress,)
        ctypes.memmove(target, source, count)
        return (Error.cudaSuccess,)

    def free(address: int) -> tuple[Error]:
        del gpu.held[address]
        return (Error.cudaSuccess,)

    module.cudaDeviceGetAttribute, module.cudaMalloc, module.cudaFree = attribute, malloc, free
    module.cudaMemcpyAsync = copy
    module.cudaStreamCreate = lambda: (Error.cudaSuccess, 7)
    module.cudaStreamSynchronize = lambda stream: (Error.cudaSuccess,)
    module.cudaStreamDestroy = lambda stream: (Error.cudaSuccess,)
    return module  # type: ignore[no-any-return]


class ILogger:
    Severity = IntEnum("Severity", "INTERNAL_ERROR ERROR WARNING INFO VERBOSE", start=0)

    def __init__(self) -> None:
        """The C++ class wants to be constructed."""


class IProgressMonitor:
    def __init__(self) -> None:
        """The C++ class wants to be constructed."""


Flag = IntEnum("Flag", {"STRONGLY_TYPED": 1})
Mode = IntEnum("Mode", "NONE INPUT OUTPUT", start=0)


def _tensorrt_module(gpu: SimGpu) -> types.ModuleType:
    module: Any = types.ModuleType("tensorrt")
    module.__version__ = gpu.tensorrt
    module.ILogger, module.IProgressMonitor = ILogger, IProgressMonitor
    module.TensorIOMode, module.NetworkDefinitionCreationFlag = Mode, Flag
    old = int(gpu.tensorrt.split(".")[0]) < 11
    module.BuilderFlag = IntEnum("BuilderFlag", {"FP16": 0} if old else {"TF32": 7})
    module.MemoryPoolType = IntEnum("MemoryPoolType", {"WORKSPACE": 0})
    module.ProfilingVerbosity = IntEnum("ProfilingVerbosity", "LAYER_NAMES_ONLY NONE DETAILED")
    module.nptype = lambda dtype: dtype
    module.Runtime = lambda logger: Runtime(gpu, logger)
    module.Builder = lambda logger: Builder(gpu, logger)
    module.OnnxParser = lambda network, logger: OnnxParser(gpu, network, logger)
    return module  # type: ignore[no-any-return]


class Runtime:
    def __init__(self, gpu: SimGpu, logger: Any) -> None:
        if not gpu.has_gpu:
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self._gpu, self._logger = gpu, logger

    def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
        self._gpu.loaded += 1
        magic, _, rest = plan.partition(b"\n")
        header, _, model = rest.partition(b"\n")
        why = "magic tag does not match" if magic != MAGIC or not model else None
        if why is None and json.loads(header) != [self._gpu.tensorrt, *self._gpu.capability]:
            why = "engine plan is of an incompatible version or device"
        if why is None and self._gpu.rejects:
            why = "serialization assertion failed"
        if why is not None:
            self._logger.log(ILogger.Severity.ERROR, f"IRuntime::deserializeCudaEngine: {why}")
            return None
        return Engine(self._gpu, self._logger, model)


class Engine:
    def __init__(self, gpu: SimGpu, logger: Any, model: bytes) -> None:
        self._gpu, self._logger = gpu, logger
        self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        self.inputs = {i.name: i.shape for i in self.session.get_inputs()}
        self.outputs = {o.name: o.shape for o in self.session.get_outputs()}
        self._names = [*self.inputs, *self.outputs]
        self.num_io_tensors = len(self._names)

    def get_tensor_name(self, index: int) -> str:
        return self._names[index]

    def get_tensor_shape(self, name: str) -> list[int]:
        return {**self.inputs, **self.outputs}[name]

    def get_tensor_dtype(self, name: str) -> type[np.float32]:
        return np.float32

    def get_tensor_mode(self, name: str) -> Any:
        return Mode.INPUT if name in self.inputs else Mode.OUTPUT

    def create_execution_context(self) -> Context:
        return Context(self._gpu, self._logger, self)


class Context:
    def __init__(self, gpu: SimGpu, logger: Any, engine: Engine) -> None:
        self._gpu, self._logger, self._engine = gpu, logger, engine
        self._address: dict[str, int] = {}

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._address[name] = address
        return address in self._gpu.held

    def execute_async_v3(self, stream: int) -> bool:
        if self._gpu.fails_to_run:
            self._logger.log(ILogger.Severity.INTERNAL_ERROR, "enqueueV3: Cuda Runtime (700)")
            return False
        feeds = {name: self._view(name, shape) for name, shape in self._engine.inputs.items()}
        for name, value in zip(self._engine.outputs, self._engine.session.run(None, feeds),
                               strict=True):
            if self._gpu.draws_nonsense:
                value = 1 - value
            self._view(name, self._engine.outputs[name])[...] = (
                np.nan if self._gpu.draws_nan else value)
        return True

    def _view(self, name: str, shape: list[int]) -> Any:
        kind = ctypes.c_float * int(np.prod(shape))
        return np.frombuffer(kind.from_address(self._address[name]), np.float32).reshape(shape)


class Config:
    """IBuilderConfig; every call and assignment is recorded."""

    def __init__(self, gpu: SimGpu) -> None:
        object.__setattr__(self, "_gpu", gpu)
        object.__setattr__(self, "cache", None)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        self._gpu.calls.append((name, value))

    def set_flag(self, flag: Any) -> None:
        self._gpu.calls.append(("set_flag", flag.name))

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        self._gpu.calls.append(("set_memory_pool_limit", pool.name, size))

    def create_timing_cache(self, data: bytes) -> Cache:
        return Cache(data)

    def set_timing_cache(self, cache: Cache, ignore_mismatch: bool) -> bool:
        good = not cache.data or cache.data.startswith(self._gpu.tensorrt.encode())
        self._gpu.calls.append(("set_timing_cache", len(cache.data), good))
        object.__setattr__(self, "cache", cache)
        return good

    def get_timing_cache(self) -> Cache:
        return self.cache  # type: ignore[no-any-return]


@dataclass
class Cache:
    data: bytes

    def serialize(self) -> bytes:
        return self.data


class Builder:
    def __init__(self, gpu: SimGpu, logger: Any) -> None:
        if not gpu.has_gpu:
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self._gpu, self._logger = gpu, logger

    def create_network(self, flags: int = 0) -> dict[str, bytes]:
        self._gpu.calls.append(("create_network", flags))
        return {}

    def create_builder_config(self) -> Config:
        return Config(self._gpu)

    def build_serialized_network(self, network: dict[str, bytes], config: Any) -> bytes | None:
        self._gpu.calls.append(("build",))
        config.progress_monitor.phase_start("Building Engine", None, 20)
        for step in range(20):
            config.progress_monitor.step_complete("Building Engine", step)
        config.progress_monitor.phase_finish("Building Engine")
        if self._gpu.fails_to_build:
            self._logger.log(ILogger.Severity.ERROR, "Could not find any implementation for node")
            return None
        config.cache.data = self._gpu.tensorrt.encode() + b" tactics"
        header = json.dumps([self._gpu.tensorrt, *self._gpu.capability]).encode()
        return b"\n".join([MAGIC, header, network["model"]])


@dataclass
class ParserError:
    node: str
    text: str

    def node_name(self) -> str:
        return self.node

    def desc(self) -> str:
        return self.text


class OnnxParser:
    """Takes what TensorRT's takes of quantised graphs on a GPU: INT8, zero points 0, FP32 bias."""

    def __init__(self, gpu: SimGpu, network: dict[str, bytes], logger: Any) -> None:
        self._network = network
        self._errors: list[ParserError] = []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def parse(self, model: bytes) -> bool:
        graph = onnx.load_from_string(model).graph
        constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        for node in graph.node:
            if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
                continue
            zero = constants[node.input[2]]
            if zero.dtype != np.int8 or zero.any():
                self._errors.append(ParserError(node.name, "Assertion failed: shiftIsAllZeros"))
            if constants.get(node.input[0], zero).dtype != np.int8:
                self._errors.append(ParserError(node.name, "only activation datatypes allowed"))
        self._network["model"] = model
        return not self._errors
