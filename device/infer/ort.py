"""The only importer of onnxruntime: opens a network on one execution provider and runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as native

from ota.errors import Broken, Refused

# The C++ module's errors have no base class of their own.
FAILURES: tuple[type[Exception], ...] = (
    native.Fail, native.InvalidArgument, native.InvalidGraph, native.InvalidProtobuf,
    native.NoSuchFile, native.NotImplemented, native.RuntimeException, native.EPFail,
    RuntimeError, ValueError,
)  # fmt: skip
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


class Session:
    """A network that is ready to run. Several threads may: a run has its own memory."""

    def __init__(
        self, session: Any, provider: str, threads: int, gives_back: bool = False
    ) -> None:
        self._session = session
        self._run_options = _giving_back() if gives_back else None
        self.provider = provider
        self.threads = threads
        self.inputs: dict[str, tuple[int | str | None, ...]] = {
            i.name: tuple(i.shape) for i in session.get_inputs()
        }
        self.types: dict[str, str] = {i.name: i.type for i in session.get_inputs()}
        self.outputs: tuple[str, ...] = tuple(o.name for o in session.get_outputs())

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """One inference: arrays by input name in, arrays by output name back.

        Raises Broken when the runtime cannot compute (wrong shape, memory).
        """
        try:
            values = self._session.run(self.outputs, dict(feeds), self._run_options)
        except FAILURES as error:
            raise Broken(
                f"The network failed to run ({_first_line(error)}); start again, and if it stays, "
                "install the model anew."
            ) from error
        return dict(zip(self.outputs, values, strict=True))


def open_session(
    path: Path, threads: int = 1, provider: str = "cpu", gives_back: bool = False
) -> Session:
    """Load the ONNX file at `path`; falls back to the CPU when `provider` is not on this machine
    (`Session.provider` says what it became). `gives_back`: what a run needed is not kept for the
    next one, for networks that work seldom and on inputs of all lengths. Raises Refused for a
    missing or broken file."""
    if not path.is_file():
        raise Refused(f"The model {path} is missing; install it again with `vitrine`.")
    chosen = provider if PROVIDERS[provider] in onnxruntime.get_available_providers() else "cpu"
    try:
        session = onnxruntime.InferenceSession(
            str(path), _options(threads), providers=[PROVIDERS[chosen]]
        )
    except FAILURES as error:
        raise Refused(
            f"The model {path} is damaged or not ONNX ({_first_line(error)}); install it again."
        ) from error
    return Session(session, chosen, threads, gives_back)


def demand(provider: str) -> None:
    """Raises Refused with a short reason when this ONNX Runtime was built without `provider`."""
    if PROVIDERS[provider] not in onnxruntime.get_available_providers():
        raise Refused(f"this ONNX Runtime is built without {PROVIDERS[provider]}")


def open_on(
    model: bytes, provider: str, threads: int, settings: Mapping[str, str]
) -> Session:
    """Load the ONNX `model` on exactly `provider`, with its `settings`. Raises Refused with a short
    reason when it cannot: ONNX Runtime itself would go on with another one in silence."""
    demand(provider)
    try:
        session = onnxruntime.InferenceSession(
            model, _options(threads), providers=[(PROVIDERS[provider], dict(settings))])
    except FAILURES as error:
        raise Refused(f"it does not load ({_first_line(error)})") from error
    if session.get_providers()[0] != PROVIDERS[provider]:
        raise Refused(f"ONNX Runtime could not start {PROVIDERS[provider]}")
    return Session(session, provider, threads)


def open_with(model: bytes, lent: Mapping[str, NDArray[Any]]) -> Session:
    """Load the ONNX `model` on one thread of the CPU, its large constants given as arrays: what
    the runtime packs anew is not held twice, as it is where they lie in the file. Raises Refused.
    """
    try:
        options = _options(1)
        # A value holds its array, and the session its values: nothing need outlive this call.
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(each) for each in lent.values()]
        options.add_external_initializers(list(lent), values)
        session = onnxruntime.InferenceSession(model, options, providers=[PROVIDERS["cpu"]])
    except FAILURES as error:
        raise Refused(f"The network does not load ({_first_line(error)}).") from error
    return Session(session, "cpu", 1)


def _options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning threads steal the core from picture and sound.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _giving_back() -> Any:
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    options.log_severity_level = 3
    return options


def zeros_like_inputs(session: Session) -> dict[str, NDArray[np.float32]]:
    """Float zeros in the shape of every input (unknown sizes become 1), to warm a network up."""
    return {
        name: np.zeros([n if isinstance(n, int) else 1 for n in shape], np.float32)
        for name, shape in session.inputs.items()
    }


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
