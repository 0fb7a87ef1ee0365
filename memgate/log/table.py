"""The columns of a table with a row per sample and epoch: their order and names."""

from collections.abc import Collection, Sequence

from memgate.log.format import OPTIONAL, PER_GATE

TABLE_QUANTITIES = (
    "gate", "entropy", "routed",
    "loss", "margin", "p_given", "el2n", "out_entropy", "pred", "correct_given", "correct_clean", "macs",
    "phi", "trained",
)  # fmt: skip
"""Quantities and flags of a table with a row per sample and epoch, in the order of its columns."""


ABSENT = (*OPTIONAL, "trained")
"""Quantities and flags that most logs lack."""


def table_columns(
    gates: Sequence[str], quantities: Sequence[str] | None = None, *, absent: Collection[str] = ABSENT
) -> dict[str, tuple[str, str | None]]:
    """Column name to (quantity, gate or None): ``gate`` with one gate, ``gate_b2`` and ``gate_b3`` with several.

    Args:
        gates: names of the gates in the log.
        quantities: keys of QUANTITIES and FLAGS in the order of the columns. None: :data:`TABLE_QUANTITIES`, as far as
            the log has them.
        absent: quantities and flags that the log lacks.
    """
    columns: dict[str, tuple[str, str | None]] = {}
    in_log = [name for name in TABLE_QUANTITIES if name not in absent]
    for quantity in in_log if quantities is None else quantities:
        if quantity not in PER_GATE:
            columns[quantity] = (quantity, None)
            continue
        for gate in gates:
            columns[quantity if len(gates) == 1 else f"{quantity}_{gate}"] = (quantity, gate)
    return columns
