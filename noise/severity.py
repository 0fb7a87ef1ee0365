"""Constants of the CIFAR-10-C corruptions at severities 1 to 5, and the range of each constant given by hand.

Hendrycks and Dietterich 2019 (arXiv 1903.12261); the values are those of their script for 32x32 images,
``make_cifar_c.py``, not the stronger ones of ImageNet-C. This module imports nothing: the command line reads it.
"""

DEFAULT_SEVERITY = 3

CONSTANTS: dict[str, dict[str, tuple[float, float, float, float, float]]] = {
    "gaussian": {"sigma": (0.04, 0.06, 0.08, 0.09, 0.10)},
    "shot": {"photons": (500, 250, 100, 75, 50)},
    "impulse": {"amount": (0.01, 0.02, 0.03, 0.05, 0.07)},
    "speckle": {"sigma": (0.06, 0.10, 0.12, 0.16, 0.20)},
    "gaussian-blur": {"sigma": (0.4, 0.6, 0.7, 0.8, 1.0)},
    "defocus-blur": {"radius": (0.3, 0.4, 0.5, 1, 1.5), "alias": (0.4, 0.5, 0.6, 0.2, 0.1)},
    "glass-blur": {
        "sigma": (0.05, 0.25, 0.4, 0.25, 0.4),
        "distance": (1, 1, 1, 1, 1),
        "passes": (1, 1, 1, 2, 2),
    },
    # Severity 4 equals severity 3: a half-Gaussian of two steps is zero well within either radius.
    "motion-blur": {"radius": (6, 6, 6, 8, 9), "sigma": (1, 1.5, 2, 2, 2.5)},
    # These are the factors that the script states. The rounding of its floating-point range adds one more zoom at
    # severities 1 and 2, by 1.06 and by 1.11, and at severity 5 it ends at 1.2500000000000002, by which 26 pixels
    # become 33 and not 32.
    "zoom-blur": {"factor": (1.05, 1.10, 1.15, 1.20, 1.25)},
    "brightness": {"shift": (0.05, 0.10, 0.15, 0.20, 0.30)},
    "contrast": {"factor": (0.75, 0.50, 0.40, 0.30, 0.15)},
    "saturate": {"factor": (0.3, 0.1, 1.5, 2, 2.5), "shift": (0, 0, 0, 0.1, 0.2)},
    "jpeg": {"quality": (80, 65, 58, 50, 40)},
    "pixelate": {"scale": (0.95, 0.90, 0.85, 0.75, 0.65)},
    # Shares of the image's side, which is 32 pixels in the script.
    "elastic": {
        "amplitude": (0, 0.05, 0.08, 0.1, 0.1),
        "smoothness": (0, 0.2, 0.06, 0.04, 0.03),
        "affine": (0.08, 0.07, 0.06, 0.05, 0.03),
    },
}
"""Kind -> parameter -> its value at severity 1, 2, 3, 4, 5.

Units: shares of full intensity (sigma of gaussian and speckle, brightness shift), of all values (amount), of
the image's side (elastic) or of full saturation; pixels (sigma, radius, alias and distance of the blurs);
photons per pixel of full intensity; Pillow's JPEG quality; factors.
"""

RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "gaussian": {"sigma": (0.001, 2)},
    "shot": {"photons": (1, 10_000)},
    "impulse": {"amount": (0.001, 1)},
    "speckle": {"sigma": (0.001, 2)},
    "gaussian-blur": {"sigma": (0.1, 16)},
    "defocus-blur": {"radius": (0.1, 16), "alias": (0.1, 4)},
    # The random word of a pixel holds the draws of at most four passes, 16 bits each.
    "glass-blur": {"sigma": (0.01, 8), "distance": (1, 8), "passes": (1, 4)},
    "motion-blur": {"radius": (1, 32), "sigma": (0.1, 32)},
    "zoom-blur": {"factor": (1.01, 2)},
    "brightness": {"shift": (-1, 1)},
    "contrast": {"factor": (0, 4)},
    "saturate": {"factor": (0, 20), "shift": (-1, 1)},
    "jpeg": {"quality": (1, 100)},
    "pixelate": {"scale": (0.01, 1)},
    # Points that move by less than a sixth of the side are never collinear, so the affine map of elastic always
    # has an inverse.
    "elastic": {"amplitude": (0, 1), "smoothness": (0, 1), "affine": (0, 0.1)},
}
"""Kind -> parameter -> (lowest, highest) allowed value, both included."""

WHOLE: frozenset[tuple[str, str]] = frozenset(
    {("glass-blur", "distance"), ("glass-blur", "passes"), ("jpeg", "quality")}
)
"""(kind, parameter) whose values are whole numbers."""
