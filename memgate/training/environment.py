"""Device and precision of a training, and the description of its environment: versions, revision, command."""

import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

import torch

from memgate import __version__
from memgate.config.run import Device
from memgate.config.training import Precision
from memgate.errors import MemgateError, require

_PACKAGES = ("torchvision", "numpy", "h5py", "scikit-learn", "scipy", "pillow")


def choose_device(name: str) -> torch.device:
    """The device that ``auto``, ``cpu`` or ``cuda`` means on this machine.

    Raises:
        MemgateError: the name is unknown, or CUDA is requested and not available.
    """
    known = get_args(Device)
    require(name in known, f"device {str(name)[:40]!r} is none of {', '.join(known)}.")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise MemgateError(
            "--device cuda: this machine has no usable CUDA device; take --device cpu or auto."
        )
    return torch.device("cuda" if name != "cpu" and available else "cpu")


def choose_precision(name: Precision, device: torch.device) -> Precision:
    """``--train.precision`` on a device: ``auto`` is ``bf16`` on CUDA and ``float32`` on the CPU."""
    if name != "auto":
        return name
    return "bf16" if device.type == "cuda" else "float32"


def describe(device: torch.device) -> dict[str, Any]:
    """Versions, git revision, command and machine as JSON values, for config.json."""
    return {
        "memgate": __version__,
        "python": platform.python_version(),
        # torch.__version__ includes the build (+cpu, +cu132), which the package's metadata may lack.
        "packages": {"torch": torch.__version__, **{name: metadata.version(name) for name in _PACKAGES}},
        "git_revision": git_revision(),
        "command": sys.argv,
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor(),
        "threads": torch.get_num_threads(),
        "started_unix": time.time(),
    }


def git_revision() -> str | None:
    """Git revision of memgate's own source, with ``+changes`` where files are modified; None outside a checkout."""
    folder = Path(__file__).parent
    try:
        revision, changes = (
            subprocess.run(
                ["git", "-C", folder, *command], capture_output=True, text=True, check=True
            ).stdout.strip()
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return revision + ("+changes" if changes else "")
