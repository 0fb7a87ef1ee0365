"""The manifest's header: which data, which operations, which rates, and the digests that pin them down."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from noise.errors import NoiseError, require
from noise.spec import Target

SCHEMA = "memgate-manifest/1"


@dataclass(frozen=True)
class Operation:
    """One corruption as it was carried out.

    Attributes:
        code: k, from 1; what the columns ``label_op`` and ``image_op`` hold.
        text: the spec's text form.
        kind: a key of :data:`noise.spec.KINDS`.
        target: ``label`` or ``image``.
        convention: id of the convention, such as ``sym_excl_exact``.
        parameters: (key, value) pairs as text.
        requested: the rate asked for.
        selected: number of samples the operation touched.
        realised: share of all samples that it corrupted; below ``selected / N`` where a new label may equal
            the clean one.
    """

    code: int
    text: str
    kind: str
    target: Target
    convention: str
    parameters: tuple[tuple[str, str], ...]
    requested: float
    selected: int
    realised: float


@dataclass(frozen=True)
class Header:
    """What holds for the whole data set.

    Attributes:
        dataset: the name under which samples are hashed.
        source_digest: SHA-256 of the clean images and labels, see :func:`noise.digests.source_digest`.
        count: N.
        image_shape: (H, W, C).
        class_names: K names.
        seed: seed of the corruption.
        operations: in the order in which they were applied; the k-th has code k.
        rates: ``{"label": {"requested", "realised"}, "image": {...}, "any": {"realised"}}``.
        versions: of Python and the libraries, for information.
        column_digests: column name to SHA-256.
        pixels_digest: SHA-256 of all images after corruption.
        schema: ``memgate-manifest/1``.
    """

    dataset: str
    source_digest: str
    count: int
    image_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    seed: int
    operations: tuple[Operation, ...]
    rates: dict[str, dict[str, float]]
    versions: dict[str, str]
    column_digests: dict[str, str]
    pixels_digest: str
    schema: str = SCHEMA

    @property
    def class_count(self) -> int:
        """K."""
        return len(self.class_names)

    def to_json(self) -> str:
        """JSON text with sorted keys: equal headers give equal text."""
        return json.dumps({**dataclasses.asdict(self), "class_count": self.class_count}, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Header":
        """The header of a JSON text.

        Raises:
            NoiseError: it is no JSON, has another schema, or lacks or adds a key.
        """
        try:
            values: Any = json.loads(text)
        except json.JSONDecodeError as error:
            raise NoiseError(f"the header is no JSON ({error}): write the manifest again.") from error
        schema = values.get("schema") if isinstance(values, dict) else None
        require(schema == SCHEMA, f"the header has the schema {schema!r}, and only {SCHEMA!r} can be read.")
        try:
            values.pop("class_count", None)
            operations = tuple(
                Operation(**{**row, "parameters": tuple((key, value) for key, value in row["parameters"])})
                for row in values["operations"]
            )
            header = Header(**{**values, "operations": operations})
            shape, names = tuple(header.image_shape), tuple(header.class_names)
            return dataclasses.replace(header, image_shape=shape, class_names=names)
        except (TypeError, KeyError, ValueError) as error:
            raise NoiseError(
                f"the header is not that of {SCHEMA} ({error}): write the manifest again."
            ) from error
