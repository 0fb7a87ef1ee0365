"""Options of the critical-sample probe: methods, their constants, and which values are valid. No torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from memgate.errors import require

PROBE = "csr"
"""Name of the probe and of its file."""

NEIGHBOURS = "neighbours"
"""Name of the file with the nearest images that get another prediction."""

PAPER_RADIUS = 0.3
"""Half the box's side in grey levels (Arpit et al. 2017, section 4.2 and footnote 6)."""

MOST = 100
"""How many samples get a neighbour by default: the critical ones nearest to the boundary."""

Method = Literal["first-order", "lass", "fgsm", "pgd"]

CURVE = (0.1, 0.3, 1.0, 2.0)
"""Radii in grey levels of the curve CSR(r)."""

LASS_ALPHA, LASS_BETA = 0.25, 0.2
"""Step and noise of LASS in grey levels at the paper's radius; scaled with the radius elsewhere."""

STEPS: dict[Method, int] = {"first-order": 0, "lass": 10, "fgsm": 1, "pgd": 20}
"""Default number of steps. The paper gives none for LASS, and its ports take 10 or 100; beyond 10 steps hardly a
sample is added, since alpha + |beta eta| is about the radius and the box's corner one or two steps away."""

OTHERS = 2
"""Other classes that first-order looks at: on a public ResNet-20 at radius 1, 94.9 % of the samples are judged as by
PGD-20 with the runner-up alone, 96.0 % with two and 96.1 % with three or all, at a gradient each."""

PGD_STEP = 0.25
"""Length of PGD's step as a share of the radius."""


@dataclass(frozen=True)
class Walk:
    """How one box is searched; lengths in grey levels."""

    radius: float
    steps: int
    alpha: float
    """Length of the step along the gradient's sign."""
    beta: float
    """Standard deviation of the normal noise that is added to every step."""
    restarts: int
    """Walks for a sample whose prediction changed in none before."""
    random_start: bool
    """Start at a uniformly random point of the box instead of at the sample."""
    seed: int


@dataclass(frozen=True)
class CsrConfig:
    """A search with every value: equal ones give equal results."""

    method: Method
    radii: tuple[float, ...]
    """Grey levels, rising."""
    steps: int
    """Steps in each walk; 0 for first-order."""
    alpha: tuple[float, ...]
    """Length of the signed step in grey levels, one for each radius; none for first-order."""
    beta: tuple[float, ...]
    """Standard deviation of LASS's noise in grey levels, one for each radius; none for first-order."""
    restarts: int
    others: int
    """Number of other classes that first-order tries, from the runner-up on, one gradient each; 0 for the searches."""
    seed: int
    clip: tuple[float, float] = (0.0, 1.0)
    """Range of a pixel, which no search leaves (first-order ignores it)."""
    precision: str = "float32"

    @property
    def rounds(self) -> int:
        """Number of times that each sample counts in a progress bar."""
        return 1 if self.method == "first-order" else len(self.radii)

    def walk(self, number: int) -> Walk:
        """The search of the box of ``radii[number]``."""
        return Walk(
            radius=self.radii[number],
            steps=self.steps,
            alpha=self.alpha[number],
            beta=self.beta[number],
            restarts=self.restarts,
            random_start=self.method == "pgd",
            seed=self.seed,
        )


@dataclass(frozen=True)
class CsrOptions:
    """A search of critical samples as it is asked for; :meth:`resolved` fills in what is left open."""

    method: Method = "first-order"
    """first-order: the distance to the boundary from one gradient, for every radius at once; fgsm: one step;
    lass: the search of the paper (Arpit et al. 2017); pgd: many steps from a random point of the box."""
    radius: tuple[float, ...] = (PAPER_RADIUS,)
    """Largest change of a pixel in grey levels (0 to 255; the paper's is 0.3); several allowed."""
    steps: int | None = None
    """Steps of the search. None: 10 for lass, 20 for pgd."""
    others: int | None = None
    """first-order: how many other classes are looked at, from the runner-up on, a gradient each. None: 2; more judge
    more samples as pgd does (a public ResNet-20 at radius 1: 94.9 % of all with 1, 96.0 % with 2, 96.1 % with 3)."""
    seed: int = 0
    """Seed of the noise in lass and pgd."""
    neighbours: int = MOST
    """Of how many of the nearest critical samples an image within the box that gets another prediction is kept, in
    probes/neighbours.h5, for the dashboard; 0 for none."""

    def __post_init__(self) -> None:
        configure(self.method, self.radius, steps=self.steps, others=self.others, seed=self.seed)
        check_neighbours(self.neighbours)

    def resolved(self) -> CsrConfig:
        """The search with every value; first-order gets the radii of :data:`CURVE` too, which cost nothing more."""
        if self.method == "first-order":
            return configure(self.method, (*self.radius, *CURVE), others=self.others)
        return configure(self.method, self.radius, steps=self.steps, seed=self.seed)


def check_neighbours(most: int) -> None:
    """Refuse a negative number of neighbours.

    Raises:
        MemgateError: ``most`` is below 0.
    """
    require(most >= 0, f"neighbours {most} is no number of samples: 1 or more, or 0 for none.")


def configure(
    method: Method = "first-order",
    radius: float | Sequence[float] = PAPER_RADIUS,
    *,
    steps: int | None = None,
    alpha: float | None = None,
    beta: float | None = None,
    restarts: int = 1,
    others: int | None = None,
    seed: int = 0,
) -> CsrConfig:
    """A search with every value filled in; see :func:`probes.csr.critical.critical_samples` for the arguments.

    Raises:
        MemgateError: a value is out of its range, or the method has no such argument.
    """
    require(method in get_args(Method), f"method {method!r} is none of {', '.join(get_args(Method))}.")
    radii = tuple(sorted({float(r) for r in ([radius] if isinstance(radius, int | float) else radius)}))
    require(bool(radii), "radius is empty: give at least one, such as 0.3.")
    for r in radii:
        require(
            0 <= r <= 255,
            f"radius {r:g} is no distance between two images: from 0 to 255 grey levels (the paper's: 0.3).",
        )
    walks = method != "first-order"
    steps = STEPS[method] if steps is None else steps
    _check_walk(method, steps, restarts, alpha, beta)
    require(
        others is None or (others >= 1 and not walks),
        f"others {others} does not go with {method}: only first-order looks at other classes, at least 1.",
    )
    share = {"lass": LASS_ALPHA / PAPER_RADIUS, "fgsm": 1.0, "pgd": PGD_STEP}.get(method, 0.0)
    noise = LASS_BETA / PAPER_RADIUS if method == "lass" else 0.0
    return CsrConfig(
        method=method,
        radii=radii,
        steps=steps,
        alpha=tuple(share * r if alpha is None else alpha for r in radii) if walks else (),
        beta=tuple(noise * r if beta is None else beta for r in radii) if walks else (),
        restarts=restarts,
        others=0 if walks else others or OTHERS,
        seed=seed,
    )


def _check_walk(method: Method, steps: int, restarts: int, alpha: float | None, beta: float | None) -> None:
    """Refuse numbers of steps and lengths that do not go with the method."""
    if method == "first-order":
        require(steps == 0, f"steps {steps} does not go with first-order: it makes none.")
        require(
            alpha is None and beta is None, "alpha and beta do not go with first-order: it makes no steps."
        )
    else:
        require(steps >= 1, f"steps {steps} searches nothing: at least 1.")
    require(method != "fgsm" or steps == 1, f"steps {steps} does not go with fgsm: it makes one.")
    require(restarts >= 1, f"restarts {restarts} searches nothing: at least 1.")
    require(
        restarts == 1 or method in ("lass", "pgd"),
        f"restarts {restarts} does not go with {method}: nothing in it is random.",
    )
    require(beta is None or method == "lass", f"beta does not go with {method}: only LASS adds noise.")
    for name, length in (("alpha", alpha), ("beta", beta)):
        require(
            length is None or 0 <= length < math.inf,
            f"{name} {length} is no length of a step: 0 or more grey levels.",
        )
