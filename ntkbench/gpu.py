"""List the GPUs that this process may use, as reported by their driver, without importing TensorFlow."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

from attrs import frozen

QUERY = ("--query-gpu=uuid,name,memory.total", "--format=csv,noheader,nounits")
MOST_SECONDS = 10.0


@frozen
class Gpu:
    """A GPU.

    Attributes:
        uuid: Its UUID.
        name: Its model name.
        gib: Its total memory in GiB.
    """

    uuid: str
    name: str
    gib: float


def visible_gpus() -> list[Gpu]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES allows (default: all), in TensorFlow's order.

    The list is empty if the driver's nvidia-smi is not installed.
    """
    return _visible(_installed(shutil.which("nvidia-smi")), os.environ.get("CUDA_VISIBLE_DEVICES"))


def gpu_of(device: str) -> Gpu | None:
    """Return the GPU of a `--device`, None if there is none or it is not known. "auto" means the first one."""
    kind, _, number = device.partition(":")
    gpus = visible_gpus() if kind in ("auto", "gpu") else []
    index = int(number or 0)
    return gpus[index] if index < len(gpus) else None


@functools.cache
def _installed(command: str | None) -> tuple[Gpu, ...]:
    if command is None:
        return ()
    try:
        done = subprocess.run([command, *QUERY], capture_output=True, text=True, timeout=MOST_SECONDS, check=True)
        rows = [[word.strip() for word in line.split(",")] for line in done.stdout.splitlines() if line.strip()]
        return tuple(Gpu(uuid, ", ".join(name), float(mib) / 1024) for uuid, *name, mib in rows)
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()


def _visible(gpus: tuple[Gpu, ...], chosen: str | None) -> list[Gpu]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES lists, by number or UUID; like CUDA, stop at the first invalid one."""
    if chosen is None:
        return list(gpus)
    found = []
    for word in map(str.strip, chosen.split(",")):
        if word.isdecimal() and int(word) < len(gpus):
            found.append(gpus[int(word)])
        elif word and (named := [gpu for gpu in gpus if gpu.uuid.startswith(word)]):
            found.append(named[0])
        else:
            break
    return found
