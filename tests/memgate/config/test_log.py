"""Which epochs' gate vectors are kept, and what is refused."""

import pytest

from memgate.config.run import LogConfig, ModelConfig, RunConfig, TrainConfig
from memgate.errors import MemgateError


@pytest.mark.parametrize(
    ("gates", "epochs", "kept"),
    [
        ("last", 5, (5,)),
        ("none", 5, ()),
        ("auto", 5, ()),  # of a configuration that was not resolved, from before there were gate vectors
        ("every:2", 5, (2, 4, 5)),
        ("every:5", 5, (5,)),
        ("every:50", 5, (5,)),
        ("every:1", 3, (1, 2, 3)),
    ],
)
def test_epochs_whose_vectors_are_kept(gates: str, epochs: int, kept: tuple[int, ...]) -> None:
    assert LogConfig(gates=gates).vector_epochs(epochs) == kept


@pytest.mark.parametrize(
    ("name", "gates"), [("channel-gate", "last"), ("resnet", "none"), ("entropy-gate", "none")]
)
def test_the_last_epoch_s_are_kept_where_gates_close(name: str, gates: str) -> None:
    config = RunConfig(model=ModelConfig(name))  # pyright: ignore[reportArgumentType]
    assert (config.log.gates, config.resolved().log.gates) == ("auto", gates)


@pytest.mark.parametrize(
    "gates", ["", "every", "every:", "every:0", "every:-1", "every:1.5", "all", "every:1234567"]
)
def test_another_text_is_refused(gates: str) -> None:
    with pytest.raises(MemgateError, match="is none of auto, none, last and every:N, such as every:50"):
        LogConfig(gates=gates)


@pytest.mark.parametrize(("gates", "every", "next_multiple"), [("every:50", 3, 51), ("every:2", 3, 3)])
def test_epochs_that_are_not_logged_have_no_vectors(gates: str, every: int, next_multiple: int) -> None:
    with pytest.raises(MemgateError, match=f"take a multiple of {every}, such as every:{next_multiple}"):
        LogConfig(gates=gates, every=every)
    assert LogConfig(gates="every:6", every=3).vector_epochs(8) == (6, 8)


def test_networks_whose_gates_do_not_close_are_refused() -> None:
    for name in ("resnet", "entropy-gate", "layer-two-way"):
        with pytest.raises(
            MemgateError, match=f"--log.gates last: the network {name} has no gates that open or close"
        ):
            RunConfig(model=ModelConfig(name), log=LogConfig(gates="last"))  # pyright: ignore[reportArgumentType]
        RunConfig(model=ModelConfig(name), log=LogConfig(gates="none"))  # pyright: ignore[reportArgumentType]


def test_too_many_files_are_refused() -> None:
    with pytest.raises(MemgateError, match="would keep the vectors of 20000 epochs, a file each"):
        RunConfig(
            model=ModelConfig("channel-gate"),
            train=TrainConfig(epochs=20_000),
            log=LogConfig(gates="every:1"),
        )
