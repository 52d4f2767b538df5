"""The device of a run: TensorFlow's environment before it is imported, what it may see, and where tensors go."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from ..errors import NtkbenchError


def quiet_environment(*, ours: bool = False) -> None:
    """Set what TensorFlow and Keras read when they are imported, unless the user has set it.

    ours: the process is ntkbench's own, so the backend is TensorFlow whatever the user's other work runs on.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if ours:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")


def prepare(device: str, *, hushed: bool = False) -> str:
    """Make TensorFlow compute on `device`: "auto", "cpu", "gpu[:i]" or "tpu[:NAME]". Return its name for the records.

    "auto" is the first GPU where there is one, otherwise the CPU. hushed: for the command line, whose standard error
    shows progress and not TensorFlow's remarks. Raises NtkbenchError for a device that this machine does not have,
    and when TensorFlow has already started on others.
    """
    quiet_environment(ours=hushed)
    kind, _, which = device.partition(":")
    if kind == "cpu":
        # Before the import it also saves the seconds in which CUDA starts.
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    with _stderr_held() if hushed else nullcontext(), _without_keras_json() if hushed else nullcontext():
        import keras  # noqa: F401 - it reads its settings when it is imported
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    # TensorFloat-32 errs by 1e-3; what was used is recorded with every result.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    if hushed:
        tf.get_logger().setLevel("ERROR")
    if kind == "tpu":
        return _connect_tpu(which)
    if kind == "cpu" or (kind == "auto" and not gpus):
        _show([], device)
        return "cpu"
    index = int(which or 0)
    if index >= len(gpus):
        found = f"{len(gpus)} GPUs, numbered from 0" if gpus else "no GPU"
        raise NtkbenchError(f"The device {device!r} was asked for, and TensorFlow finds {found}. Use --device cpu.")
    _show([gpus[index]], device)
    return f"gpu:{index}"


@contextmanager
def _without_keras_json() -> Iterator[None]:
    """Let TensorFlow and Keras be imported with their own settings: with some of a user's they cannot be imported."""
    before = os.environ.get("KERAS_HOME")
    with tempfile.TemporaryDirectory(prefix="ntkbench-") as folder:
        os.environ["KERAS_HOME"] = folder
        try:
            yield
        finally:
            os.environ.pop("KERAS_HOME")
            if before is not None:
                os.environ["KERAS_HOME"] = before


def placed(device: str) -> AbstractContextManager[Any]:
    """Return the scope in which variables and computations go to `device`, a name that `prepare` returned.

    The one GPU that TensorFlow was shown is where it computes anyway, and so is the CPU where there is none; a TPU is
    used inside this scope only. "cpu:i" is the i-th logical CPU device.
    """
    import tensorflow as tf

    kind, _, which = device.partition(":")
    if kind == "tpu":
        return tf.device("/TPU:0")
    return tf.device(f"/CPU:{which}") if kind == "cpu" and which else nullcontext()


@contextmanager
def _stderr_held() -> Iterator[None]:
    """Hold back what native code writes to standard error; it is written after all when the block raises.

    TensorFlow 2.21 logs at import before it has read TF_CPP_MIN_LOG_LEVEL.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            with suppress(OSError):
                os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _show(gpus: list[Any], device: str) -> None:
    import tensorflow as tf

    try:
        tf.config.set_visible_devices(gpus, "GPU")
        for gpu in gpus:
            # Otherwise the first call takes all memory of the device, also that of other processes.
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        if tf.config.get_visible_devices("GPU") != gpus:
            raise NtkbenchError(
                f"TensorFlow has already started on other devices than {device!r}; start a new Python for it."
            ) from None


def _connect_tpu(name: str) -> str:
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name or None)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NtkbenchError(f"No TPU {name} could be reached: {reason} Use --device cpu.".replace("  ", " ")) from error
    return f"tpu:{name}" if name else "tpu"
