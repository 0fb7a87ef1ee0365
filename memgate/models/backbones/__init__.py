"""Networks without gates."""

from memgate.models.backbones.densenet import DenseNet
from memgate.models.backbones.resnet import ResNet
from memgate.models.backbones.shake_shake import ShakeShake

BACKBONES = {"resnet": ResNet, "densenet": DenseNet, "shake-shake": ShakeShake}
"""Name of a network without gates to its constructor from (``ModelConfig``, number of classes K)."""
