"""Set up the device of a run: TensorFlow's environment variables, its visible devices and device scopes."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from ..errors import NtkbenchError

FOR_OTHER_PURPOSES = ("matplotlib", "scipy", "sklearn")
"""Packages that Keras imports for galleries and wrappers, and TensorFlow for its old Keras; a process without them
starts faster and is smaller."""
FOR_OTHER_CODE = ("h5py", "pandas")
"""Packages that Keras imports to load models in an old format and to train them on data frames, which code outside
ntkbench may do."""


def quiet_environment(*, ours: bool = False) -> None:
    """Set the environment variables that TensorFlow and Keras read at import, unless the user has set them.

    Args:
        ours: Whether the process belongs to ntkbench. Its backend is then TensorFlow, even if the user has set another,
            and a keras.json with which Keras cannot be imported is ignored.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if ours:
        os.environ["KERAS_BACKEND"] = "tensorflow"
        if _stops_keras():
            os.environ["KERAS_HOME"] = os.devnull
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")


def prepare(device: str, *, quiet: bool = False, without: Collection[str] = ()) -> str:
    """Make TensorFlow compute on a device, and return the device's name for the records.

    Args:
        device: "auto", "cpu", "gpu[:i]" or "tpu[:NAME]". "auto" is the first GPU if there is one, otherwise the CPU.
        quiet: Whether to suppress TensorFlow's messages on standard error, where the command line shows progress.
        without: Packages that Keras shall not import; see `FOR_OTHER_PURPOSES`.

    Raises:
        NtkbenchError: The machine does not have the device, or TensorFlow has already started on another one.
    """
    quiet_environment(ours=quiet)
    kind, _, which = device.partition(":")
    if kind == "cpu":
        # Set before the import, so that TensorFlow does not spend seconds starting CUDA.
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    with _stderr_held() if quiet else nullcontext(), _hidden(without):
        import keras
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    # TensorFloat-32 has relative errors of 1e-3. The precision in use is recorded with every result.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    if quiet:
        tf.get_logger().setLevel("ERROR")
        keras.config.set_floatx("float32")
        keras.config.set_epsilon(1e-7)
        keras.config.set_image_data_format("channels_last")
    if kind == "tpu":
        return _connect_tpu(which)
    if kind == "cpu" or (kind == "auto" and not gpus):
        _show([], device)
        return "cpu"
    index = int(which or 0)
    if index >= len(gpus):
        found = f"{len(gpus)} GPUs, numbered from 0" if gpus else "no GPU"
        raise NtkbenchError(f"The device {device!r} is not available: TensorFlow finds {found}. Use --device cpu.")
    _show([gpus[index]], device)
    return f"gpu:{index}"


@contextmanager
def _hidden(packages: Collection[str]) -> Iterator[None]:
    """Make the import of packages that are not imported yet fail within the scope, and work as usual after it."""
    names = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]  # "import x" fails if sys.modules["x"] is None
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def _stops_keras() -> bool:
    """Return whether the user's keras.json makes the import of Keras or TF-Keras fail.

    Its valid settings are replaced after the import.
    """
    home = Path(os.environ.get("KERAS_HOME") or Path("~", ".keras")).expanduser()
    path = home / "keras.json"
    if not path.exists():
        return False
    if not path.is_file():
        return True
    try:
        settings = json.loads(path.read_text())
    except ValueError:  # Keras ignores the file
        return False
    except OSError:
        return True
    if not isinstance(settings, dict):
        return True
    known = {"floatx": ("float16", "float32", "float64"), "image_data_format": ("channels_last", "channels_first")}
    valid = all(settings.get(name, values[0]) in values for name, values in known.items())
    return not (valid and isinstance(settings.get("epsilon", 1e-7), float))


def placed(device: str) -> AbstractContextManager[Any]:
    """Return the scope that places variables and computations on a device.

    TensorFlow uses its one visible GPU, or the CPU when there is none, without a scope; it uses a TPU only inside one.

    Args:
        device: A name that `prepare` returned, or "cpu:i" for the i-th logical CPU device.
    """
    import tensorflow as tf

    kind, _, which = device.partition(":")
    if kind == "tpu":
        return tf.device("/TPU:0")
    return tf.device(f"/CPU:{which}") if kind == "cpu" and which else nullcontext()


@contextmanager
def _stderr_held() -> Iterator[None]:
    """Buffer what native code writes to standard error, and write it out only when the block raises.

    TensorFlow 2.21 logs during its import, before it reads TF_CPP_MIN_LOG_LEVEL.
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
            # Otherwise the first call reserves all memory of the device, even if others need it.
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        if tf.config.get_visible_devices("GPU") != gpus:
            raise NtkbenchError(
                f"TensorFlow has already started on another device than {device!r}. Start a new Python process."
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
