import gzip
import json

import numpy as np
import pytest

from sigmoidf1.datasets import load_dataset
from sigmoidf1.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::sigmoidf1.datasets.DroppedClassWarning")
LABELS = ["a", "b/c", "é d"]


def refusal(**options):
    with pytest.raises(InputError) as caught:
        load_dataset(options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def rows(count=40):
    out = []
    for number in range(count):
        names = [label for place, label in enumerate(LABELS) if (number >> place) & 1]
        out.append({"id": f"doc{number}", "text": f"Text {number}, “quoted”", "labels": names})
    return out


def write_jsonl(path, entries):
    path.write_text("".join(json.dumps(e, ensure_ascii=False) + "\n" for e in entries), "utf-8")
    return str(path)


def write_csv(path, entries, end="\n", encoding="utf-8", delimiter=","):
    columns = list(entries[0])
    lines = [columns, *([str(entry[c]) for c in columns] for entry in entries)]
    quoted = [
        delimiter.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines
    ]
    path.write_bytes((end.join(quoted) + end).encode(encoding))
    return str(path)


def joined(separator):
    return [{**entry, "labels": separator.join(entry["labels"])} for entry in rows()]


def flagged():
    return [
        {
            "id": entry["id"],
            "text": entry["text"],
            **{label: int(label in entry["labels"]) for label in LABELS},
        }
        for entry in rows()
    ]


@pytest.fixture
def expected(tmp_path):
    return load_dataset({"dataset": "jsonl", "path": write_jsonl(tmp_path / "x.jsonl", rows())})


def test_json_lines_with_lists(expected):
    assert expected.labels == LABELS
    assert expected.ids[5] == "doc5"
    assert expected.targets[5].tolist() == [1, 0, 1]
    assert expected.inputs[5] == "Text 5, “quoted”"
    assert expected.modality == "text"


@pytest.mark.parametrize("separator", ["|", ";", ","])
def test_csv_with_separated_labels(tmp_path, expected, separator):
    path = write_csv(tmp_path / "x.csv", joined(separator))
    dataset = load_dataset({"dataset": "csv", "path": path})
    assert dataset.fingerprint == expected.fingerprint
    assert dataset.info["columns"]["separator"] == separator


@pytest.mark.parametrize("write", [json.dumps, repr], ids=["JSON", "Python"])
def test_csv_with_lists_written_out(tmp_path, expected, write):
    entries = [{**entry, "labels": write(entry["labels"])} for entry in rows()]
    path = write_csv(tmp_path / "x.csv", entries)
    assert load_dataset({"dataset": "csv", "path": path}).fingerprint == expected.fingerprint


def test_csv_with_a_column_a_label(tmp_path, expected):
    path = write_csv(tmp_path / "x.csv", flagged())
    found = load_dataset({"dataset": "csv", "path": path})
    assert found.fingerprint == expected.fingerprint
    named = load_dataset({"dataset": "csv", "path": path, "label_columns": ["a", "*/c", "é d"]})
    assert named.fingerprint == expected.fingerprint
    one = load_dataset({"dataset": "csv", "path": path, "label_columns": "a,b/c"})
    assert one.labels == LABELS[:2]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(tmp_path, expected, delimiter, end):
    path = write_csv(tmp_path / "x.csv", flagged(), end=end, delimiter=delimiter)
    assert load_dataset({"dataset": "csv", "path": path}).fingerprint == expected.fingerprint


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_encodings(tmp_path, expected, encoding):
    path = write_csv(tmp_path / "x.csv", joined("|"), encoding=encoding)
    assert load_dataset({"dataset": "csv", "path": path}).fingerprint == expected.fingerprint


def test_a_named_encoding_is_kept_to(tmp_path):
    path = write_csv(tmp_path / "x.csv", joined("|"), encoding="cp1252")
    assert f"line 2 of {path} is not utf-8" in refusal(dataset="csv", path=path, encoding="utf-8")
    assert "must be an encoding that Python knows" in refusal(
        dataset="csv", path=path, encoding="utf-99"
    )


def test_packed_files_and_json_lists(tmp_path, expected):
    packed = tmp_path / "x.jsonl.gz"
    packed.write_bytes(gzip.compress((tmp_path / "x.jsonl").read_bytes()))
    listed = tmp_path / "x.json"
    listed.write_text(json.dumps(rows(), indent=1))
    for path in (packed, listed):
        dataset = load_dataset({"dataset": "jsonl", "path": str(path)})
        assert dataset.fingerprint == expected.fingerprint
    packed.write_bytes(packed.read_bytes()[:-20])
    assert "cannot be read" in refusal(dataset="jsonl", path=str(packed))


def test_parquet(tmp_path, expected):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    for name, entries in (("lists", rows()), ("flags", flagged())):
        path = tmp_path / f"{name}.parquet"
        parquet.write_table(pyarrow.Table.from_pylist(entries), path)
        dataset = load_dataset({"dataset": "parquet", "path": str(path)})
        assert dataset.fingerprint == expected.fingerprint
    path.write_bytes(path.read_bytes()[:-50])
    assert "must name a whole Parquet file" in refusal(dataset="parquet", path=str(path))


def test_without_an_id_ids_come_from_the_content_and_rows_may_change_places(tmp_path):
    entries = [{key: entry[key] for key in ("text", "labels")} for entry in rows()]
    entries.append(entries[3])
    before = load_dataset({"dataset": "jsonl", "path": write_jsonl(tmp_path / "x", entries)})
    again = load_dataset({"dataset": "jsonl", "path": write_jsonl(tmp_path / "y", entries[::-1])})
    assert dict(zip(before.ids, before.split, strict=True)) == dict(
        zip(again.ids, again.split, strict=True)
    )
    assert before.info["duplicates"]["n_sets"] == 1


def test_splits_by_column_and_by_file(tmp_path):
    names = ["training", "val", "TEST", "train"]
    entries = [{**entry, "fold": names[n % 4]} for n, entry in enumerate(rows())]
    path = write_jsonl(tmp_path / "x.jsonl", entries)
    by_column = load_dataset({"dataset": "jsonl", "path": path, "split_column": "fold"})
    assert (by_column.split == "train").sum() == 20
    files = {
        split: write_jsonl(
            tmp_path / f"{split}.jsonl",
            [e for e, s in zip(entries, by_column.split, strict=True) if s == split],
        )
        for split in ("train", "validation", "test")
    }
    by_file = load_dataset({"dataset": "jsonl", **files})
    assert dict(zip(by_file.ids, by_file.split, strict=True)) == dict(
        zip(by_column.ids, by_column.split, strict=True)
    )
    anew = load_dataset({"dataset": "jsonl", **files, "split": "stratified"})
    assert (anew.split == "train").sum() == 24
    assert "needs data that name their split" in refusal(
        dataset="jsonl", path=write_jsonl(tmp_path / "y.jsonl", rows()), split="official"
    )


def test_several_text_columns_and_a_root(tmp_path):
    entries = [{**entry, "title": f"Title {n}"} for n, entry in enumerate(rows())]
    write_jsonl(tmp_path / "x.jsonl", entries)
    dataset = load_dataset(
        {"dataset": "jsonl", "root": str(tmp_path), "path": "x.jsonl", "text": ["title", "text"]}
    )
    assert dataset.inputs[5] == "Title 5\nText 5, “quoted”"


def bad(**changes):
    return {"id": "bad", "text": "Some text", "labels": ["a"], **changes}


BAD_ROWS = {
    "broken JSON": ('{"text": "x", ', "Expecting property name enclosed in double quotes"),
    "no object": ('["x"]', "it is a list"),
    "no text": (bad(text=None), "its text (column text) is empty"),
    "blank text": (bad(text=" \t"), "its text (column text) is empty"),
    "text no text": (bad(text=["x"]), "a text must be a text, but is ['x']"),
    "id again": (bad(id="doc3"), "its id 'doc3' occurred before"),
    "no id": (bad(id=""), "its id (column id) is empty"),
    "labels no list": (bad(labels={"a": 1}), "labels must be a list of names or a text"),
    "label no text": (bad(labels=["a", None]), "class names must be texts, but got None"),
    "control": (bad(labels=["a\nb"]), "class names must be free of control characters"),
    "cut list": (bad(labels="['a', 'b]"), None),
    "NumPy list": (bad(labels="['a' 'b']"), "must be a whole list with commas"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows_get_one_line_or_are_skipped(tmp_path, case):
    row, words = BAD_ROWS[case]
    entries = [json.dumps(entry) for entry in rows()]
    entries.insert(7, row if isinstance(row, str) else json.dumps(row))
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(entries))
    text = refusal(dataset="jsonl", path=str(path))
    assert f"line 8 of {path}" in text
    assert words is None or words in text
    dataset = load_dataset({"dataset": "jsonl", "path": str(path), "on_error": "skip"})
    assert len(dataset.ids) == 40
    assert dataset.info["skipped"]["count"] == 1
    assert f"line 8 of {path}" in dataset.info["skipped"]["problems"][0]


def test_bad_cells_of_csv(tmp_path):
    path = tmp_path / "x.csv"
    write_csv(path, flagged())
    path.write_text(path.read_text() + '"bad","Text","1","0","maybe"\n')
    assert "column é d must be 0 or 1, but is 'maybe'" in refusal(
        dataset="csv", path=str(path), label_columns=LABELS
    )
    options = {"dataset": "csv", "path": str(path), "label_columns": LABELS}
    path.write_text(path.read_text() + '"bad2","Text","1"\n')
    skipped = load_dataset({**options, "on_error": "skip"}).info["skipped"]
    assert skipped["count"] == 2
    assert f"line 43 of {path} has 3" in skipped["problems"][0]
    path.write_text('id,text,labels\n1,"open\n')
    text = refusal(dataset="csv", path=str(path), on_error="skip")
    assert f"begins in line 2 of {path} is not" in text


def test_bad_quotes_cost_only_their_line(tmp_path):
    path = tmp_path / "x.csv"
    write_csv(path, joined("|"))
    lines = path.read_text().split("\n")
    lines.insert(3, '"bad","a "quoted" word","a"')
    path.write_text("\n".join(lines))
    assert f"line 4 of {path} is not" in refusal(dataset="csv", path=str(path))
    dataset = load_dataset({"dataset": "csv", "path": str(path), "on_error": "skip"})
    assert len(dataset.ids) == 40


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("", {}, "is empty"),
        ("a,b\nx,y\n", {}, "must have a text or an image column"),
        ("text,b\nx,y\n", {}, "must have a column of labels"),
        ("text,text,labels\nx,y,z\n", {}, "'text' more than once"),
        ("text,labels\nx,y\n", {"labels": "label"}, "Did you mean 'labels'?"),
        ("text,labels\nx,y\n", {"text": "txt"}, "Did you mean 'text'?"),
        ("text,image,labels\nx,y,z\n", {}, "Set data.text or data.image to choose"),
        ("text,labels\nx,y\n", {"separatr": "|"}, "Did you mean 'separator'?"),
        ("text,labels\nx,y\nx,y\n", {"split_column": "fold"}, "Unknown column of"),
        ("text,labels,g\nx,y,\nz,y,2\n", {"group_column": "g"}, "column g is empty"),
        ("text,labels,split\nx,y,eval\n", {}, "must be train, validation or test, but is 'eval'"),
    ],
)
def test_headers_and_columns(tmp_path, content, options, words):
    path = tmp_path / "x.csv"
    path.write_text(content)
    assert words in refusal(dataset="csv", path=str(path), **options)


@pytest.mark.parametrize(
    "options", [{}, {"train": "x"}, {"path": "x", "train": "y", "test": "z"}, {"test": "x"}]
)
def test_files_are_named_as_one_or_by_split(options):
    assert "must name its files as data.path, or as data.train" in refusal(dataset="csv", **options)


def test_missing_files(tmp_path):
    assert "is not there" in refusal(dataset="csv", path=str(tmp_path / "absent.csv"))
    assert "is a folder" in refusal(dataset="jsonl", path=str(tmp_path))


@pytest.mark.parametrize("value", [[], 3, [1], ["a", ""], "a,,b"])
def test_lists_of_names_are_checked(value):
    text = refusal(dataset="csv", path="x.csv", label_columns=value)
    assert "data.label_columns must be a list of names" in text


def test_names_with_odd_but_printable_characters_are_kept(tmp_path):
    odd = ["a,b", "[red]", "{x}", "日本語", "a\u200db", "<b>", "x" * 300, "'q'", "%s"]
    entries = [bad(id=str(n), text=f"t{n}", labels=[odd[n % len(odd)]]) for n in range(90)]
    dataset = load_dataset({"dataset": "jsonl", "path": write_jsonl(tmp_path / "x.jsonl", entries)})
    assert set(dataset.labels) == set(odd)


def test_half_a_surrogate_pair_is_replaced(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(json.dumps(e) for e in [*rows(), bad(text="broken \ud83d end")]))
    dataset = load_dataset({"dataset": "jsonl", "path": str(path)})
    assert dataset.inputs[-1] == "broken \ufffd end"


def test_skipping_everything_says_what_was_wrong(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(["{broken"] * 250))
    text = refusal(dataset="jsonl", path=str(path), on_error="skip", text="text", labels="labels")
    assert "Unknown column" in text or "at least two examples" in text


def test_lists_of_skipped_problems_are_bounded(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join([*(json.dumps(e) for e in rows()), *["{broken"] * 250]))
    skipped = load_dataset({"dataset": "jsonl", "path": str(path), "on_error": "skip"}).info
    assert skipped["skipped"]["count"] == 250
    assert len(skipped["skipped"]["problems"]) == 100


def test_numbers_are_labels_too(tmp_path):
    entries = [bad(id=str(n), text=f"t{n}", labels=[n % 3, 7]) for n in range(30)]
    path = write_jsonl(tmp_path / "x.jsonl", entries)
    assert load_dataset({"dataset": "jsonl", "path": path}).labels == ["0", "1", "2", "7"]
    assert np.unique(load_dataset({"dataset": "jsonl", "path": path}).targets).tolist() == [0, 1]
