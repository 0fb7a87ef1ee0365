"""Loads weights that were trained by another code base; every key must match.

One layout is known, that of akamaster/pytorch_resnet_cifar10 (CIFAR-10 ResNet-20 to -1202 with option A shortcuts), a
common reference. Its names and memgate's:

    conv1, bn1          stem.0, stem.1
    layer1.U.NAME       blocks.b1.U.NAME    (layer2: b2, layer3: b3; inside a unit the names agree)
    linear              head

Such a network is ``ResNet(ModelConfig("resnet", depth, shortcut="pad"), classes)``; it expects images normalised with
:data:`AKAMASTER_MEAN` and :data:`AKAMASTER_STD`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from memgate.errors import MemgateError
from memgate.models.torch_files import DamagedFileError, load_checked
from noise.files.regular import regular_bytes

AKAMASTER_MEAN = (0.485, 0.456, 0.406)
AKAMASTER_STD = (0.229, 0.224, 0.225)
"""Statistics of ImageNet, which that repository uses for CIFAR-10."""

_NAMES = (
    (r"^conv1\.", "stem.0."),
    (r"^bn1\.", "stem.1."),
    (r"^layer([123])\.", r"blocks.b\1."),
    (r"^linear\.", "head."),
)


def load_foreign(model: nn.Module, path: Path) -> None:
    """Load all weights of a foreign checkpoint into a network, or none and raise.

    Args:
        model: a :class:`memgate.models.backbones.resnet.ResNet` of the same shape; it stays on its device.
        path: a state dict saved by ``torch.save``, by itself or under the key ``state_dict``; read without pickle.

    Raises:
        MemgateError: the file is missing or damaged, or holds another network.
    """
    try:
        content = load_checked(regular_bytes(path), torch.device("cpu"))
    except FileNotFoundError as error:
        raise MemgateError(f"{path} does not exist: give the file of the weights.") from error
    except (OSError, DamagedFileError) as error:
        raise MemgateError(f"{path} cannot be read ({error}): fetch it again.") from error
    if isinstance(content, dict):
        content = content.get("state_dict", content)
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise MemgateError(f"{path} holds no state dict: save one by torch.save(model.state_dict(), path).")
    state = translated(content)
    # Counters of batches are not read in evaluation mode, and files from before PyTorch 0.4.1 lack them.
    counters = {name for name in model.state_dict() if name.endswith("num_batches_tracked")}
    state = {**{name: torch.zeros((), dtype=torch.int64) for name in counters}, **state}
    mismatch = differences(state, model.state_dict())
    if mismatch:  # load_state_dict would copy the weights that fit before it raises
        raise MemgateError(f"{path} holds another network than the one given: {mismatch}.")
    model.load_state_dict(state)


def differences(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """Text that lists missing, unknown and misshapen weights, one name of each; empty where the states match."""
    missing = [name for name in wanted if name not in state]
    unknown = [name for name in state if name not in wanted]
    shapes = [name for name in state if name in wanted and state[name].shape != wanted[name].shape]
    problems = (("lacks", missing), ("has in addition", unknown), ("has in another shape", shapes))
    return "; ".join(f"it {what} {len(names)}, such as {names[0]}" for what, names in problems if names)


def translated(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict under memgate's names; ``module.``, which DataParallel adds, is removed."""
    renamed = {}
    for name, value in state.items():
        name = name.removeprefix("module.")
        for theirs, ours in _NAMES:
            name = re.sub(theirs, ours, name)
        renamed[name] = value
    return renamed
