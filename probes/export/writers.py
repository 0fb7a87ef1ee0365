"""Writers of tables and arrays: CSV, Parquet, JSON lines and HDF5; equal content gives equal bytes."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from memgate.errors import MemgateError
from noise.files.atomic import atomic_write, is_stream, replaceable
from noise.files.json_form import json_text

FORMULA = r"^([=+\-@\t\r])"
"""Beginning of a text that a spreadsheet takes for a formula."""


def write_csv(stream: BinaryIO, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write tables of one schema as one CSV file.

    Floats have as many digits as are needed to read the same float32 again; bools are true and false; missing values
    are empty; text is unchanged (see :func:`without_formulas` for files that people open).
    """
    stream.write((",".join(schema.names) + "\n").encode())
    options = pyarrow.csv.WriteOptions(include_header=False)
    with pyarrow.csv.CSVWriter(stream, schema, write_options=options) as writer:
        for table in tables:
            writer.write_table(table)


def without_formulas(table: pa.Table) -> pa.Table:
    """The table with an apostrophe before each text that a spreadsheet would run as a formula.

    For the CSV files that people open: memgate's own schema. What another program reads (the schemas of other tools, a
    stream, Parquet, JSON lines) has the text as it is.
    """
    for position, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            safe = pc.replace_substring_regex(table[position], FORMULA, r"'\1")  # pyright: ignore
            table = table.set_column(position, field, safe)
    return table


def write_parquet(stream: BinaryIO, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write tables of one schema as one Parquet file, one row group per table."""
    with pyarrow.parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table, row_group_size=max(1, table.num_rows))


def write_jsonl(stream: BinaryIO, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write tables of one schema as one JSON object per line, with the digits of :func:`write_csv`.

    Missing values are null, and so is infinity, for which JSON has no number.
    """
    keys = [f"{'{' if at == 0 else ', '}{json_text(name)}: " for at, name in enumerate(schema.names)]
    for table in tables:
        columns = [_json(table[position]) for position in range(table.num_columns)]
        parts = [part for key, column in zip(keys, columns, strict=True) for part in (pa.scalar(key), column)]
        lines = pc.binary_join_element_wise(*parts, pa.scalar("}\n"), "")  # pyright: ignore
        stream.write("".join(lines.to_pylist()).encode())


def _json(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as the text of JSON values."""
    if pa.types.is_string(column.type):
        known = column.combine_chunks().dictionary_encode()
        texts = pa.array(
            [json_text(text, ascii_only=False) for text in known.dictionary.to_pylist()], pa.string()
        )
        column = pa.chunked_array([texts.take(known.indices)])
    elif pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, None)  # pyright: ignore
    return pc.fill_null(column.cast(pa.string()), "null")  # pyright: ignore


def write_h5(stream: BinaryIO, arrays: Iterable[tuple[str, NDArray]]) -> None:
    """Write named arrays as datasets of an HDF5 file, one in memory at a time; text is UTF-8 of fixed length."""
    checked = _CheckedStream(stream)
    with h5py.File(checked, "w", track_order=True) as handle:
        for name, array in arrays:
            if array.dtype.kind == "U":
                encoded = np.char.encode(array, "utf-8")
                kind = h5py.string_dtype("utf-8", max(1, encoded.dtype.itemsize))
                handle.create_dataset(name, data=encoded.astype(kind), dtype=kind)
            else:
                handle.create_dataset(name, data=np.ascontiguousarray(array))
            checked.check()
    checked.check()


class _CheckedStream:
    """A stream that keeps its first error, since HDF5 loses the error of a full disk."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._error: OSError | None = None

    def write(self, content: Any) -> int:
        try:
            return self._stream.write(content)
        except OSError as error:
            self._error = self._error or error
            return len(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def check(self) -> None:
        """Raise the first error of writing."""
        if self._error is not None:
            raise self._error


def check_target(path: Path) -> None:
    """Check the target of :func:`write_table` before a long computation.

    Raises:
        MemgateError: the ending is none of :data:`WRITERS`, the folder does not exist, or something is there that
            must not be replaced, such as a device.
    """
    if path.suffix not in WRITERS:
        raise MemgateError(f"{path} ends in neither {' nor '.join(WRITERS)}: take one of them.")
    if not path.parent.is_dir():
        raise MemgateError(f"{path}: the folder {path.parent} does not exist: make it first.")
    if is_stream(path):
        return
    try:
        replaceable(path)
    except OSError as error:
        raise MemgateError(f"{path} cannot be written ({error.strerror}): choose another place.") from error


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a DataFrame completely or not at all, in the format of the file's ending.

    Raises:
        MemgateError: see :func:`check_target`; or the file cannot be written.
    """
    check_target(path)
    content = arrow_table(table)
    content = without_formulas(content) if path.suffix == ".csv" else content
    try:
        atomic_write(path, lambda stream: WRITERS[path.suffix](stream, content.schema, [content]))
    except OSError as error:
        raise MemgateError(
            f"{path} cannot be written ({error.strerror or error}): choose another place."
        ) from error


def arrow_table(table: pd.DataFrame) -> pa.Table:
    """A DataFrame as an Arrow table without an index: NaN and NA are null, text is ``string``."""
    content = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    kinds = [
        (field.name, pa.string() if pa.types.is_large_string(field.type) else field.type)
        for field in content.schema
    ]
    return content.cast(pa.schema(kinds))


def plain_arrays(table: pd.DataFrame) -> Iterable[tuple[str, NDArray]]:
    """The columns of a DataFrame as (name, array [n]) that need no pickle.

    A nullable integer or bool becomes float64 with NaN; text becomes unicode with "" for missing values. The dtype
    depends on the column only, not on which values are missing.
    """
    for name, column in table.items():
        if isinstance(column.dtype, pd.StringDtype):
            yield str(name), np.array(column.fillna("").tolist(), np.str_)
        elif isinstance(column.dtype, np.dtype):
            yield str(name), column.to_numpy()
        else:
            yield str(name), column.to_numpy(np.float64, na_value=np.nan)


WRITERS: dict[str, Callable[[BinaryIO, pa.Schema, Iterable[pa.Table]], None]] = {
    ".csv": write_csv,
    ".parquet": write_parquet,
    ".jsonl": write_jsonl,
}
"""Ending of a file to its writer."""
