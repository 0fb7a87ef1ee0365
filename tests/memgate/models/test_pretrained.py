"""Networks that were trained elsewhere: every key has a place, and a real one keeps its accuracy and its CSR."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from memgate.config.run import ModelConfig
from memgate.errors import MemgateError
from memgate.models.backbones.resnet import ResNet
from memgate.models.pixels import PixelNetwork
from memgate.models.pretrained import AKAMASTER_MEAN, AKAMASTER_STD, load_foreign, translated
from probes.csr.critical import critical_samples


def theirs(state):
    """A memgate state dict under the names of the foreign repository."""
    names = {"stem.0": "conv1", "stem.1": "bn1", "blocks.b": "layer", "head": "linear"}
    renamed = {}
    for name, value in state.items():
        for ours, other in names.items():
            if name.startswith(ours):
                name = other + name.removeprefix(ours)
                break
        renamed[f"module.{name}"] = value
    return renamed


def network(units=2, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ResNet(ModelConfig("resnet", 6 * units + 2, shortcut="pad"), 10)


def test_every_weight_finds_its_place(tmp_path):
    source, target = network(), network(seed=1)
    foreign = theirs(source.state_dict())
    assert translated(foreign).keys() == source.state_dict().keys()
    foreign = {name: value for name, value in foreign.items() if "num_batches_tracked" not in name}
    for content in (foreign, {"state_dict": foreign, "best": 91.7}):
        torch.save(content, tmp_path / "foreign.th")
        load_foreign(target, tmp_path / "foreign.th")
        for name, value in source.state_dict().items():
            torch.testing.assert_close(target.state_dict()[name], value, rtol=0, atol=0)


def test_what_does_not_fit_is_refused_whole(tmp_path):
    path, target = tmp_path / "foreign.th", network()
    before = {name: value.clone() for name, value in target.state_dict().items()}
    other = theirs(network(units=3).state_dict())
    missing = {
        name: value for name, value in theirs(network(seed=1).state_dict()).items() if "linear" not in name
    }
    for content, sentence in (
        (other, "holds another network"),
        (missing, "holds another network"),
        ([1, 2], "holds no state dict"),
        ({"state_dict": {"x": 1}}, "holds no state dict"),
    ):
        torch.save(content, path)
        with pytest.raises(MemgateError) as caught:
            load_foreign(target, path)
        assert sentence in str(caught.value)
    path.write_bytes(b"nothing")
    with pytest.raises(MemgateError, match="cannot be read"):
        load_foreign(target, path)
    torch.save(theirs(network(seed=1).state_dict()), path)
    flipped = bytearray(path.read_bytes())
    flipped[len(flipped) // 2] ^= 1  # one bit of a weight, which torch.load does not notice
    path.write_bytes(flipped)
    assert torch.load(path, weights_only=True)
    with pytest.raises(MemgateError, match="cannot be read .the checksum of its part"):
        load_foreign(target, path)
    with pytest.raises(MemgateError, match="does not exist"):
        load_foreign(target, tmp_path / "missing.th")
    for name, value in target.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


@pytest.fixture
def real(shared: Path):
    """The public ResNet-20 (91.73 % on all 10,000 test images), 50 real test images and their labels."""
    net = ResNet(ModelConfig("resnet", 20, shortcut="pad"), 10)
    load_foreign(net, shared / "data" / "resnet20-12fca82f.th")
    sheet = np.asarray(
        Image.open(sorted((shared / "data" / "cifar10").glob("test_*.webp"))[0]).convert("RGB")
    )
    tiles = sheet.reshape(25, 32, 40, 32, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 32, 32, 3)[:50]
    labels = np.load(shared / "data" / "cifar10" / "labels.npz")["test_labels"][:50]
    images = torch.from_numpy(np.ascontiguousarray(tiles)).permute(0, 3, 1, 2)
    return PixelNetwork(net, AKAMASTER_MEAN, AKAMASTER_STD), images, labels


@pytest.mark.slow
@pytest.mark.shared
def test_the_methods_agree_on_a_real_network(real):
    model, images, labels = real
    radii = (0.3, 1, 2)
    first = critical_samples(model, images, radius=radii)
    assert (first.prediction == labels).mean() > 0.88
    pgd = critical_samples(model, images, radius=radii, method="pgd")
    agreement = (first.critical == pgd.critical).mean(1)
    # On 2,000 images: 0.988, 0.949 and 0.993 (benchmarks/critical_samples.py); at radius 1 most boundaries lie.
    assert (agreement >= (0.96, 0.92, 0.96)).all()
    share = pgd.critical.mean(1)
    assert 0.15 < share[0] < 0.35 < share[1] < 0.95 < share[2]
    np.testing.assert_allclose(first.critical.mean(1), share, atol=0.05)
    lass = critical_samples(model, images[:24], method="lass")
    assert (lass.critical[0] == pgd.critical[0][:24]).mean() >= 0.95
    shuffled = np.random.default_rng(0).permutation(24)
    again = critical_samples(model, images[shuffled], method="lass", sample_id=shuffled, batch_size=7)
    np.testing.assert_array_equal(again.critical, lass.critical[:, shuffled])
    alone = critical_samples(model, images[:8], batch_size=1)
    np.testing.assert_allclose(alone.critical_radius, first.critical_radius[:8], rtol=1e-5)
