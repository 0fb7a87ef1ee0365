"""The disk that a run needs, before it is trained."""

import tempfile
from pathlib import Path

from torch import nn

from memgate.config.run import RunConfig
from memgate.models import build_model
from memgate.runs.inputs import load_inputs
from memgate.runs.logged import log_layout
from memgate.training.gate_vectors import vector_layout


def run_bytes(requested: RunConfig) -> dict[str, int]:
    """Bytes of a run's files: ``log``, ``checkpoints``, ``manifests``, and ``gate vectors`` where it has any.

    The data is loaded and corrupted for it, so that what is wrong with it is said before anything is trained.

    Args:
        requested: configuration of the run.

    Raises:
        MemgateError: the data is missing or wrong, or a corruption cannot be carried out on it.
    """
    config = requested.resolved()
    inputs = load_inputs(config)
    train, every = inputs.clean.train, config.train.checkpoint_every
    model = build_model(config.model, train.class_count, seed=0, image_size=train.side)
    kept = -(-config.train.epochs // every) if every else 0
    checkpoints = 1 + kept + (config.data.val_fraction > 0)
    vectors = vector_layout(config, inputs)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.npz"
        sizes = []
        for manifest in inputs.manifests.values():
            manifest.save(path)
            sizes.append(path.stat().st_size)
    sizes_of = {
        "log": log_layout(config, inputs).bytes(),
        "checkpoints": checkpoints * _checkpoint_bytes(model),
        "manifests": sum(sizes),
        "gate vectors": len(vectors.epochs) * vectors.bytes() if vectors.epochs else 0,
    }
    return {kind: size for kind, size in sizes_of.items() if size}


def _checkpoint_bytes(model: nn.Module) -> int:
    """Size of a checkpoint: the state of the model, and a momentum for each of its parameters."""
    tensors = [*model.state_dict().values(), *model.parameters()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
