"""Runs trained on scikit-learn's digits, in about a second each."""

from pathlib import Path

from memgate.config.run import DataConfig, GateConfig, ModelConfig, RunConfig, TrainConfig
from memgate.runs.run import Run
from memgate.training.loop import train


def train_two_gates(out: Path) -> Run:
    """A run ``one`` of 3 epochs: gates over B2 and B3, noise, validation, a corrupted copy, a checkpoint per epoch."""
    config = RunConfig(
        name="one",
        out=out,
        noise=("symmetric:0.2", "randx:0.1"),
        noise_on=("test",),
        device="cpu",
        data=DataConfig(name="digits", image_size=8, train_limit=160, test_limit=60, val_fraction=0.2),
        model=ModelConfig(depth=14, gate=GateConfig(blocks="b2,b3", hidden_b3=16, hidden_b2=8)),
        train=TrainConfig(epochs=3, batch_size=32, lr=0.05, checkpoint_every=1),
    )
    return train(config)


def train_one_epoch(out: Path, name: str, model: ModelConfig, noise: tuple[str, ...] = ()) -> Run:
    """A run of one epoch on 60 images of 8x8 pixels."""
    data = DataConfig(name="digits", image_size=8, train_limit=60, test_limit=20)
    schedule = TrainConfig(epochs=1, batch_size=32)
    return train(RunConfig(name, out, noise=noise, device="cpu", data=data, model=model, train=schedule))
