"""The table of kinds: the name of each corruption, the meaning of its rate, and its parameters.

The functions that carry them out are in :mod:`noise.apply`. This module imports nothing heavy, because the command
line reads it to check its arguments.

Example:
    >>> import noise
    >>> noise.KINDS["gaussian"].target
    'image'
    >>> [kind for kind, row in noise.KINDS.items() if row.rate is None]
    ['random', 'matrix', 'human', 'label-list', 'open-list']
    >>> noise.KINDS["occlusion"].parameters["size"].default
    16
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from noise.errors import NoiseError, require
from noise.severity import DEFAULT_SEVERITY, RANGES, WHOLE

Target = Literal["label", "image"]

SHARE = "share of all samples, exactly"
"""Meaning of the rate for most kinds: round(rate * N) samples."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kind, written ``key=value``.

    Attributes:
        read: turns its text into its value; raises NoiseError.
        values: the allowed values, in words.
        default: its value where it is not given; None where the kind decides.
        required: whether it must be given.
        path: whether it names a file.
    """

    read: Callable[[str], Any]
    values: str
    default: Any = None
    required: bool = False
    path: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind of corruption.

    Attributes:
        target: ``label`` or ``image``.
        convention: id of the convention, for the manifest; the literature uses one name for different conventions.
        description: one line for the help text.
        rate: meaning of the rate; None for a kind without a rate.
        parameters: parameter name to parameter.
        lists_samples: whether its file lists the samples of one split, so that it cannot be used for another split.
    """

    target: Target
    convention: str
    description: str
    rate: str | None = SHARE
    parameters: dict[str, Parameter] = field(default_factory=dict)
    lists_samples: bool = False


def flag() -> Parameter:
    """A parameter that is ``true`` or ``false``; ``false`` is the default."""

    def read(text: str) -> bool:
        require(text in ("true", "false"), f"{text!r} is neither 'true' nor 'false'.")
        return text == "true"

    return Parameter(read, "false or true", False)


def one_of(*names: str, required: bool = False) -> Parameter:
    """A parameter that is one of ``names``; the first is the default unless the parameter is required."""

    def read(text: str) -> str:
        require(text in names, f"{text!r} is not one of {', '.join(names)}.")
        return text

    return Parameter(read, ", ".join(names), None if required else names[0], required)


def number(low: float, high: float) -> Parameter:
    """A parameter that is a number in [low, high]."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError as error:
            raise NoiseError(f"{text!r} is not a number.") from error
        require(math.isfinite(value) and low <= value <= high, f"{text} is not in [{low:g}, {high:g}].")
        return value

    return Parameter(read, f"{low:g} to {high:g}")


def whole(low: int, high: int, default: int | None = None) -> Parameter:
    """A parameter that is a whole number from ``low`` to ``high``, both included."""

    def read(text: str) -> int:
        require(text.isascii() and text.isdigit() and len(text) < 10, f"{text[:20]!r} is not a whole number.")
        require(low <= int(text) <= high, f"{text} is not in {low} to {high}.")
        return int(text)

    return Parameter(read, f"{low} to {high}", default)


def _source(text: str) -> str:
    """The source of open-set images, checked: the name of a data set, or ``npz=FILE``."""
    name, equals, path = text.partition("=")
    known = name == "npz" and bool(path) if equals else name in ("cifar10", "cifar100", "svhn")
    require(known, f"{text!r} is not one of cifar10, cifar100, svhn, npz=FILE.")
    return text


def _severities(name: str, description: str) -> Kind:
    """A kind of CIFAR-10-C, with a severity or its constants as parameters."""
    free = {
        key: whole(int(low), int(high)) if (name, key) in WHOLE else number(low, high)
        for key, (low, high) in RANGES[name].items()
    }
    severity = whole(1, 5, DEFAULT_SEVERITY)
    return Kind(
        "image", f"cifar10c_{name.replace('-', '_')}", description, parameters={"severity": severity, **free}
    )


_FILE = Parameter(str, "a path", required=True, path=True)
_SOURCE = Parameter(_source, "cifar10, cifar100, svhn, npz=FILE", required=True)
_SCOPE = one_of("spatial", "values")

KINDS: dict[str, Kind] = {
    "symmetric": Kind(
        "label",
        "sym_excl_exact",
        "replaced by one of the K-1 other classes, all equally likely; balanced=true: exact in every class",
        parameters={"balanced": flag()},
    ),
    "symmetric-incl": Kind(
        "label",
        "sym_incl",
        "replaced by any of the K classes, the true one included (Zhang 2017, DivideMix): rate*(K-1)/K are wrong",
    ),
    "symmetric-iid": Kind(
        "label",
        "sym_excl_iid",
        "each label independently flipped to one of the K-1 others (Co-teaching): about rate*N are wrong",
        rate="probability for each sample",
    ),
    "asymmetric": Kind(
        "label",
        "asym_…",
        "flipped to a similar class: CIFAR-10's map (Patrini 2017), CIFAR-100's next class in the superclass; "
        "convention=legacy-block5: next in blocks of five consecutive ids; sampling=whole: DivideMix's",
        rate="share of each class that has a similar one, exactly; sampling=whole: of all samples",
        parameters={
            "convention": one_of("similar", "legacy-block5"),
            "sampling": one_of("per-class", "whole"),
        },
    ),
    "pair": Kind("label", "pair_exact", "flipped to the next class, i to i+1 mod K (Co-teaching)"),
    "random": Kind(
        "label", "random_labels", "every label drawn anew from all K classes (Zhang 2017)", rate=None
    ),
    "matrix": Kind(
        "label",
        "matrix_rows",
        "each label drawn by its row of a K x K CSV file, T[i, j] = P(given j | true i); orientation=cleanlab: "
        "columns are the true classes",
        rate=None,
        parameters={"file": _FILE, "orientation": one_of("rows", "cleanlab")},
    ),
    "instance": Kind(
        "label",
        "pmd_xia",
        "part-dependent noise of Xia et al. 2020: the new class depends on the image",
        rate="mean flip probability (sd 0.1, cut to [0, 1]; 0 is none)",
    ),
    "human": Kind(
        "label",
        "cifar_n",
        "human labels of CIFAR-10N or CIFAR-100N, from the official .pt file or a table like it",
        rate=None,
        parameters={
            "column": one_of("aggre", "worse", "random1", "random2", "random3", "noisy", required=True),
            "file": _FILE,
        },
        lists_samples=True,
    ),
    "label-list": Kind(
        "label",
        "label_list",
        "given labels as a file lists them: DivideMix's or EvidentialMix's JSON, or a table (csv, parquet, npz) with "
        "sample_id and given_label",
        rate=None,
        parameters={"file": _FILE},
        lists_samples=True,
    ),
    "randx": Kind(
        "image",
        "randx_gaussian",
        "replaced by Gaussian pixels with the data set's channel mean and variance (Zhang 2017, Arpit 2017)",
    ),
    "random-pixels": Kind(
        "image",
        "random_pixels",
        "pixels permuted, each image differently (Zhang 2017); scope=values: channels are mixed too",
        parameters={"scope": _SCOPE},
    ),
    "shuffled-pixels": Kind(
        "image",
        "shuffled_pixels",
        "pixels permuted, all images in the same way (Zhang 2017); scope=values: channels are mixed too",
        parameters={"scope": _SCOPE},
    ),
    "occlusion": Kind(
        "image",
        "occlusion_square",
        "a square of size x size pixels at a random place covered with the data set's mean, black or noise",
        parameters={
            "size": whole(1, 1024, 16),
            "fill": one_of("mean", "black", "noise"),
        },
    ),
    "gaussian": _severities("gaussian", "Gaussian noise added"),
    "shot": _severities("shot", "Poisson noise at a number of photons per pixel"),
    "impulse": _severities("impulse", "salt and pepper"),
    "speckle": _severities("speckle", "Gaussian noise proportional to the pixel value"),
    "gaussian-blur": _severities("gaussian-blur", "Gaussian blur"),
    "defocus-blur": _severities("defocus-blur", "blur by a disk"),
    "glass-blur": _severities("glass-blur", "pixels replaced by nearby ones between two blurs"),
    "motion-blur": _severities("motion-blur", "blur along a line, at a random angle for each image"),
    "zoom-blur": _severities(
        "zoom-blur",
        "mean of the image zoomed by 1.00, 1.01, … up to a factor (CIFAR-10-C's script differs at severities 1, 2, 5)",
    ),
    "brightness": _severities("brightness", "HSV value raised"),
    "contrast": _severities("contrast", "contrast lowered around each channel's mean"),
    "saturate": _severities("saturate", "HSV saturation scaled and shifted; not on grey data"),
    "jpeg": _severities("jpeg", "compressed as JPEG"),
    "pixelate": _severities("pixelate", "downsampled and upsampled again"),
    "elastic": _severities("elastic", "random affine map and smooth random displacement"),
    "open": Kind(
        "image",
        "open_set",
        "the image replaced by one of another data set (source=svhn, cifar100, cifar10 or npz=FILE); "
        "labels=keep: under its label, labels=uniform: under any of the K",
        parameters={
            "source": _SOURCE,
            "labels": one_of("keep", "uniform"),
        },
    ),
    "open-list": Kind(
        "image",
        "open_set_list",
        "images replaced as EvidentialMix's JSON lists them (open_noise: [sample, source image] pairs)",
        rate=None,
        parameters={"file": _FILE, "source": _SOURCE},
        lists_samples=True,
    ),
}
