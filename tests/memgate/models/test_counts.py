"""Parameters and shapes of every network at the papers' sizes: spec of the gating papers, each counted there."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from memgate.config.run import GateConfig, ModelConfig
from memgate.models import MODELS

R110, R164 = ("basic", 110), ("bottleneck", 164)


def meta(config: ModelConfig, classes: int, side: int = 32) -> torch.nn.Module:
    """A network without storage: shapes only."""
    with torch.device("meta"):
        return MODELS[config.name](config, classes, side)


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


BACKBONES = [
    (ModelConfig("resnet", 110), 10, 1_730_714),
    (ModelConfig("resnet", 110), 100, 1_736_564),
    (ModelConfig("resnet", 164, "bottleneck"), 10, 1_704_154),
    (ModelConfig("resnet", 164, "bottleneck"), 100, 1_727_284),
    (ModelConfig("resnet", 110, activation="pre"), 10, 1_730_522),
    (ModelConfig("resnet", 164, "bottleneck", activation="pre"), 10, 1_703_258),
    (ModelConfig("resnet", 164, "bottleneck", activation="pre"), 100, 1_726_388),
    (ModelConfig("resnet", 34, layout="imagenet"), 10, 21_282_122),
    (ModelConfig("resnet", 34, layout="imagenet"), 100, 21_282_122 + 90 * 513),
]

FLATTEN = GateConfig(input="flatten")
TUBE, TUBE3, ELEMENT = (GateConfig(window=w) for w in ("tube-1x1", "tube-3x3", "element-1x1"))
L2 = GateConfig(penalty=0.01)
GATED = [  # name, (block, depth), gate, classes, all parameters
    ("layer-exclusive", R110, GateConfig(), 10, 1_826_938),
    ("layer-exclusive", R110, L2, 10, 1_826_938),
    ("layer-shortcut-only", R110, GateConfig(), 10, 1_826_938),
    ("layer-shortcut-only", R164, GateConfig(), 10, 3_216_474),
    ("layer-shortcut-only", R164, L2, 10, 3_216_474),
    ("layer-exclusive", R164, L2, 10, 3_216_474),
    ("layer-two-way", R110, TUBE, 10, 1_734_758),
    ("layer-two-way", R110, TUBE3, 10, 1_766_246),
    ("layer-two-way", R110, ELEMENT, 10, 1_923_162),
    ("layer-two-way", R164, ELEMENT, 10, 4_728_794),
    ("block-scalar", R110, FLATTEN, 10, 1_730_714 + 2_098_177),
    ("block-displacement", R110, FLATTEN, 10, 1_730_714 + 2_098_177),
    ("block-two-way", R110, FLATTEN, 10, 1_730_714 + 2_098_690),
    ("block-two-way", R164, FLATTEN, 10, 1_704_154 + 8_390_146),
    ("block-entropy", R110, FLATTEN, 10, 1_730_714 + 2_102_794),
    ("block-entropy", R110, FLATTEN, 100, 1_736_564 + 2_148_964),
    ("block-entropy", R164, FLATTEN, 100, 1_727_284 + 8_440_420),
    ("entropy-gate", R110, GateConfig(), 10, 1_769_124),
    ("entropy-gate", R110, GateConfig(), 100, 1_821_144),
    ("entropy-gate", R164, GateConfig(), 10, 1_840_868),
    ("entropy-gate", R164, GateConfig(), 100, 1_910_168),
    ("entropy-gate", R110, GateConfig("b2,b3"), 10, 1_778_422),
]


@pytest.mark.slow
@pytest.mark.parametrize(("config", "classes", "expected"), BACKBONES)
def test_backbones_have_the_papers_parameters(config, classes, expected):
    assert parameters(meta(config, classes)) == expected


@pytest.mark.slow
@pytest.mark.parametrize(("name", "backbone", "gate", "classes", "expected"), GATED)
def test_gated_networks_have_the_expected_parameters(name, backbone, gate, classes, expected):
    block, depth = backbone
    assert parameters(meta(ModelConfig(name, depth, block, gate=gate), classes)) == expected


@pytest.mark.parametrize(("name", "expected"), [("block-scalar", 29_671_755), ("block-entropy", 29_676_372)])
def test_resnet_34_gated_in_b3_has_the_papers_parameters(name, expected):
    config = ModelConfig(name, 34, layout="imagenet", gate=FLATTEN)
    assert parameters(meta(config, 10)) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "classes", "own"),
    [(R110, 10, 9_298), (R110, 100, 28_828), (R164, 10, 30_034), (R164, 100, 49_564)],
)
def test_the_gate_of_b2_has_the_papers_parameters(backbone, classes, own):
    block, depth = backbone
    model = meta(ModelConfig("entropy-gate", depth, block, gate=GateConfig("b2")), classes)
    assert parameters(model.get_submodule("gates.b2")) == own


SHAPES = {
    (ModelConfig("resnet", 110)): {"b1": (16, 32), "b2": (32, 16), "b3": (64, 8)},
    (ModelConfig("resnet", 164, "bottleneck")): {"b1": (64, 32), "b2": (128, 16), "b3": (256, 8)},
    (ModelConfig("resnet", 164, "bottleneck", activation="pre")): {"b1": (64, 32), "b2": (128, 16), "b3": (256, 8)},
    (ModelConfig("resnet", 34, layout="imagenet")): {"b1": (64, 32), "b2": (128, 16), "b3": (256, 8), "b4": (512, 4)},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("config", SHAPES)
def test_maps_have_the_papers_shapes(config):
    model = meta(config, 10).eval()
    x = model.get_submodule("stem")(torch.empty(2, 3, 32, 32, device="meta"))
    for name, (channels, side) in SHAPES[config].items():
        x = model.get_submodule(f"blocks.{name}")(x)
        assert x.shape == (2, channels, side, side)


SIZES = [(name, 34, "basic", "imagenet", 100) for name in MODELS if name not in ("densenet", "shake-shake")]
SIZES += [
    (name, 110, "basic", "cifar", 10) for name in ("resnet", "block-scalar", "layer-two-way", "channel-gate")
]
SIZES += [(name, 164, "bottleneck", "cifar", 100) for name in ("entropy-gate", "layer-exclusive")]
"""Every network, and deep ones of each family; the others differ in what small ones are tested for."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "depth", "block", "layout", "classes"), SIZES)
def test_every_model_answers_at_the_papers_sizes(name, depth, block, layout, classes):
    gate = GateConfig(input="flatten") if name.startswith("block-") else GateConfig()
    config = ModelConfig(name, depth, block, gate=gate, layout=layout)
    with FakeTensorMode():  # unlike a meta tensor, one on the CPU may pass through autocast
        forward = MODELS[name](config, classes, 32).eval()(torch.empty(2, 3, 32, 32))
    assert forward.logits.shape == (2, classes)
    assert tuple(one.name for one in forward.gates) == config.gate_names
    assert all(one.value.shape == (2,) for one in forward.gates)
    ungated = name == "skipnet"  # its first unit
    assert len(forward.gates) == (
        name != "resnet" if config.block_gated or name == "resnet" else sum(config.units.values()) - ungated
    )


def test_squeeze_and_excitation_adds_two_matrices_to_every_unit():
    """2 C^2 / 16 weights for each of n units of C channels, the formula of Hu et al. 2018, section 4."""
    plain, excited = (
        parameters(
            meta(ModelConfig("resnet", 50, "bottleneck", layout="imagenet", squeeze_excitation=on), 10)
        )
        for on in (False, True)
    )
    widths = {256: 3, 512: 4, 1024: 6, 2048: 3}
    assert excited - plain == sum(n * 2 * channels**2 // 16 for channels, n in widths.items())
