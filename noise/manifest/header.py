"""Header of a manifest: data set, operations, rates, and the digests that identify them."""

import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from noise.errors import NoiseError, require
from noise.files.json_form import json_text, restored
from noise.files.schema import other_format
from noise.spec import CorruptionSpec, parse_spec

SCHEMA = "memgate-manifest/2"


@dataclass(frozen=True)
class Operation:
    """One corruption as it was carried out.

    Attributes:
        code: k, from 1; the value of the columns ``label_op`` and ``image_op`` for samples that it touched.
        text: text form of the spec.
        convention: id of the convention, such as ``sym_excl_exact``.
        requested: share of all samples to be touched; None where only a file determines it.
        class_requested: the same for each class.
        selected: number of samples the operation touched.
        realised: share of all samples that it corrupted; below ``selected / N`` where a new label may equal
            the clean one.
        files: (name, SHA-256) of what it read: label files, matrices, image sources.

    Raises:
        NoiseError: the text is not a spec.
    """

    code: int
    text: str
    convention: str
    requested: float | None
    class_requested: tuple[float, ...] | None
    selected: int
    realised: float
    files: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        parse_spec(self.text)

    @property
    def kind(self) -> str:
        """A key of :data:`noise.kinds.KINDS`."""
        return self.spec.kind

    @property
    def short(self) -> str:
        """The text form with file names instead of paths."""
        return self.spec.short

    @cached_property
    def spec(self) -> CorruptionSpec:
        """The spec that was carried out."""
        return parse_spec(self.text)


@dataclass(frozen=True)
class Header:
    """Facts about the whole data set.

    Attributes:
        dataset: the name under which samples are hashed.
        source_digest: SHA-256 of the clean images and labels, see :func:`noise.files.digests.source_digest`.
        count: N.
        image_shape: (H, W, C).
        class_names: K names.
        seed: seed of the corruption.
        operations: in the order in which they were applied; the k-th has code k.
        rates: ``{"label": {"requested", "realised"}, "image": {...}, "any": {"realised"}}``; requested is
            None where it is not known for every operation.
        versions: versions of Python and the libraries, for information.
        column_digests: column name to SHA-256.
        pixels_digest: SHA-256 of all images after corruption.
        grey: whether the data set is grey, so that image operations drew once for all channels. Not written where
            it is False, as in all manifests of colour data and in those from before the rule, which drew each channel
            apart.
        schema: ``memgate-manifest/2``.
    """

    dataset: str
    source_digest: str
    count: int
    image_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    seed: int
    operations: tuple[Operation, ...]
    rates: dict[str, dict[str, float | None]]
    versions: dict[str, str]
    column_digests: dict[str, str]
    pixels_digest: str
    grey: bool = False
    schema: str = SCHEMA

    @property
    def class_count(self) -> int:
        """K."""
        return len(self.class_names)

    def to_json(self) -> str:
        """The header as JSON text with sorted keys; equal headers give equal text."""
        values = {**dataclasses.asdict(self), "class_count": self.class_count}
        if not self.grey:
            del values["grey"]
        return json_text(values, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Header":
        """The header of a JSON text.

        Raises:
            NoiseError: it is not JSON, has another schema, a missing or unknown key, or an invalid value.
        """
        try:
            values: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise NoiseError(f"the header is not JSON ({error}): write the manifest again.") from error
        schema = values.get("schema") if isinstance(values, dict) else None
        require(schema == SCHEMA, other_format("the header", schema, SCHEMA, "only that can be read."))
        values.pop("class_count", None)
        header = restored(Header, values, "the header")
        codes = [operation.code for operation in header.operations]
        require(
            codes == list(range(1, len(codes) + 1)),
            f"the operations in the header have the codes {codes} and must be numbered from 1.",
        )
        for operation in header.operations:
            shares = operation.class_requested
            require(
                shares is None or len(shares) == header.class_count,
                f"{operation.text} in the header has shares for {len(shares or ())} classes of {header.class_count}.",
            )
        return header
