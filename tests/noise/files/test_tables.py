"""Tables from other people's files in every form that people have."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from noise.errors import NoiseError
from noise.files.read import read_file
from noise.files.tables import UNNAMED, columns_of
from tests.helpers.label_tasks import AGGRE, CLEAN, made_task, outcome_of_file, refusal

IDS = np.arange(30)[::-1]


def write(folder, name):
    """The labels AGGRE in the form of the ending, with ids in falling order where the form has columns."""
    path, columns = folder / name, {"sample_id": IDS, "given_label": AGGRE[::-1], "clean_label": CLEAN[::-1]}
    form = name.lower().removesuffix(".gz").rpartition(".")[2]
    plain = folder / f"plain.{form}"
    if form == "csv":
        lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
        plain.write_text("\n".join(lines))
    elif form == "parquet":
        pyarrow.parquet.write_table(pa.table(columns), plain)
    elif form == "npz":
        np.savez(plain, **columns)
    elif form == "npy":
        np.save(plain, AGGRE)
    else:
        plain.write_text(str(AGGRE.tolist()))
    content = plain.read_bytes()
    path.write_bytes(gzip.compress(content) if name.lower().endswith(".gz") else content)
    return path


@pytest.mark.parametrize(
    "name", ["a.CSV", "a.csv.gz", "a.Csv.GZ", "a.parquet", "a.PARQUET", "a.npz", "a.NPY", "a.json.gz"]
)
def test_a_label_list_may_have_any_of_the_forms(tmp_path, name):
    _, labels = outcome_of_file(made_task(f"label-list:file={write(tmp_path, name)}", CLEAN, classes=10))
    np.testing.assert_array_equal(labels, AGGRE)


@pytest.mark.parametrize("name", ["a.CSV", "a.parquet"])
def test_human_labels_may_stand_in_a_table(tmp_path, name):
    path, columns = tmp_path / name, {"clean_label": CLEAN, "aggre_label": AGGRE}
    if name.endswith("CSV"):
        lines = ["clean_label,aggre_label", *(f"{a},{b}" for a, b in zip(CLEAN, AGGRE, strict=True))]
        path.write_text("\n".join(lines))
    else:
        pyarrow.parquet.write_table(pa.table(columns), path)
    _, labels = outcome_of_file(made_task(f"human:column=aggre:file={path}", CLEAN, classes=10))
    np.testing.assert_array_equal(labels, AGGRE)


def test_a_repeated_column_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("sample_id,given_label,given_label\n0,1,2\n")
    assert "has the column 'given_label' twice" in refusal(
        made_task(f"label-list:file={path}", CLEAN, classes=10)
    )
    table = pa.table([pa.array([0]), pa.array([1])], names=["a", "a"])
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(NoiseError, match="has the column 'a' twice"):
        columns_of(read_file(tmp_path / "a.parquet"))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", b"a,b\n1,2,3\n", "has 3 cells in row 2 and 2 in the first line"),
        ("a.csv.gz", b"\x1f\x8b broken", "damaged or truncated"),
        ("a.parquet", b"PAR1 no", "damaged or no Parquet file"),
        ("a.npy", b"no", "damaged or no .npy file"),
        ("a.npz", b"no", "damaged"),
        ("a.csv", b"\xff\xfe", "is not a CSV file"),
    ],
)
def test_a_damaged_file_is_a_sentence(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NoiseError, match=sentence):
        columns_of(read_file(tmp_path / name))


def test_cells_are_text_and_an_npy_file_has_no_name(tmp_path):
    (tmp_path / "a.csv").write_text("\ufeffa,b\r\n1, x\r\n2\r\n\r\n")
    columns = columns_of(read_file(tmp_path / "a.csv"))
    assert {name: column.tolist() for name, column in columns.items()} == {"a": ["1", "2"], "b": [" x", ""]}
    np.save(tmp_path / "a.npy", [1.5, 2])
    assert columns_of(read_file(tmp_path / "a.npy"))[UNNAMED].tolist() == [1.5, 2]


def test_columns_of_other_lengths_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", sample_id=np.arange(30), given_label=AGGRE[:9])
    message = refusal(made_task(f"label-list:file={tmp_path / 'a.npz'}", CLEAN, classes=10))
    assert "columns of different shapes (sample_id [30], given_label [9])" in message
