import os
from pathlib import Path

import pytest

from sigmoidf1.datasets import load_dataset
from sigmoidf1.datasets.reading.corpora import parse_as_authors, parse_paths
from sigmoidf1.errors import InputError

SHARED_DATA = Path(
    os.environ.get("SIGMOIDF1_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")
)
pytestmark = pytest.mark.filterwarnings("ignore::sigmoidf1.datasets.DroppedClassWarning")

# Label files as published: a part a sentence, joined and nested labels, NULL, empty ends.
ANNOTATIONS = [
    "< <Death--Apoptosis ANDDeath--Necrosis< <  Genomic instability and mutation--DNA damage--",
    "< NULL<Death--<Signals--Receptors AND  Signals--Growth--Downstream<",
    "<Death--Apoptosis<Genomic instability and mutation--DNA damage--Adducts<signals--receptors",
    "< < ",
]


def refusal(**options):
    with pytest.raises(InputError) as caught:
        load_dataset(options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def write(root, annotations=ANNOTATIONS, copies=6):
    for folder in ("text", "labels"):
        (root / folder).mkdir(parents=True)
    for number in range(copies * len(annotations)):
        name = f"{10000000 + number}.txt"
        text = f"Sentence one of {number} .\nSentence two .\nThe last sentence .\n"
        (root / "text" / name).write_text(text)
        (root / "labels" / name).write_text(annotations[number % len(annotations)])
    return root


def load(root, name="cancer_hallmarks", **options):
    return load_dataset({"dataset": name, "root": str(root), "min_examples": 1, **options})


def test_paths_of_a_label_file():
    assert parse_paths(ANNOTATIONS[0]) == [
        ["Death", "Apoptosis"],
        ["Death", "Necrosis"],
        ["Genomic instability and mutation", "DNA damage"],
    ]
    assert parse_paths(ANNOTATIONS[1]) == [
        ["Death"],
        ["Signals", "Receptors"],
        ["Signals", "Growth", "Downstream"],
    ]
    assert parse_paths("< < < ") == []


@pytest.mark.parametrize("name", ["cancer_hallmarks", "chemical_exposure"])
def test_sentence_labels_are_joined_to_documents(tmp_path, name):
    dataset = load(write(tmp_path), name)
    assert len(dataset.ids) == 18  # every fourth has no label
    assert dataset.inputs[0] == "Sentence one of 0 . Sentence two . The last sentence ."
    row = dataset.targets[dataset.ids.index("10000001")]
    assert {label for label, has in zip(dataset.labels, row, strict=True) if has} == {
        "Death",
        "Signals",
        "Receptors",
        "Growth",
        "Downstream",
    }
    # Spellings that differ in case alone are one class.
    assert not {"signals", "receptors"} & set(dataset.labels)


@pytest.mark.parametrize(
    ("hierarchy", "labels"),
    [
        ("leaves", {"Death", "Receptors", "Downstream"}),
        (
            "paths",
            {
                "Death",
                "Signals",
                "Signals--Receptors",
                "Signals--Growth",
                "Signals--Growth--Downstream",
            },
        ),
    ],
)
def test_other_readings_of_the_hierarchy(tmp_path, hierarchy, labels):
    dataset = load(write(tmp_path), hierarchy=hierarchy)
    row = dataset.targets[dataset.ids.index("10000001")]
    assert {label for label, has in zip(dataset.labels, row, strict=True) if has} == labels


def test_unlabelled_documents_are_kept_by_option(tmp_path):
    assert len(load(write(tmp_path), unlabelled="keep").ids) == 24


def test_the_authors_parsing_cuts_hallmarks_and_keeps_case_of_exposure(tmp_path):
    root = write(tmp_path)
    hallmarks = load(root, parsing="authors").labels
    assert "(empty)" in hallmarks  # DNA damage, cut before its second capital
    assert {"Signals", "signals"} <= set(hallmarks)
    exposure = load(root, "chemical_exposure", parsing="authors").labels
    assert "DNA damage" in exposure
    assert {"Signals", "signals"} <= set(exposure)


def test_the_authors_text_steps():
    rows = parse_as_authors(["<A--B< <C--D--< ", "< < "], 1, str.strip)
    assert rows == [{"A", "B", "C", "D"}, set()]
    # Two spaces before the next sentence's label join it to the one before.
    joined = parse_as_authors(["< <Death--Invasion<  Spread--< "], 1, str.strip)
    assert joined == [{"Death", "Invasion Spread"}]


def test_latin1_windows_lines_and_byte_order_marks(tmp_path):
    root = write(tmp_path)
    before = load(root)
    for path in root.glob("*/*.txt"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert load(root).fingerprint == before.fingerprint
    (root / "text" / "10000000.txt").write_bytes("Na\xefve cells .\n".encode("latin-1"))
    assert load(root).inputs[0] == "Naïve cells ."


def remove_label(root):
    (root / "labels" / "10000004.txt").unlink()


def remove_text(root):
    (root / "text" / "10000004.txt").unlink()


def empty_text(root):
    (root / "text" / "10000004.txt").write_text(" \n")


def linked_text(root):
    secret = root.parent / "secret.txt"
    secret.write_text("secret")
    (root / "text" / "10000004.txt").unlink()
    (root / "text" / "10000004.txt").symlink_to(secret)


def binary_text(root):
    (root / "text" / "10000004.txt").write_bytes(b"\x00\x01\x02")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (remove_label, "10000004.txt has no"),
        (remove_text, "10000004.txt has no"),
        (empty_text, "that of example '10000004' is empty"),
        (linked_text, "leads to"),
        (binary_text, "10000004.txt holds zero bytes"),
    ],
)
def test_bad_files_get_one_line_or_are_skipped(tmp_path, spoil, words):
    root = write(tmp_path / "corpus")
    spoil(root)
    assert words in refusal(dataset="cancer_hallmarks", root=str(root))
    dataset = load(root, on_error="skip")
    assert dataset.info["skipped"]["count"] == 1
    assert words in dataset.info["skipped"]["problems"][0]
    assert "10000004" not in dataset.ids


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("cancer_hallmarks", "sb895/Hallmarks-of-Cancer"),
        ("chemical_exposure", "sb895/chemical-exposure-information-corpus"),
    ],
)
def test_a_missing_folder_says_what_to_download(tmp_path, name, repository):
    assert repository in refusal(dataset=name, root=str(tmp_path))
    write(tmp_path / f"{repository.partition('/')[2]}-master")
    assert len(load(tmp_path, name).ids) == 18


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("options", "classes", "per_example"),
    [
        ({"min_examples": 1}, 35, 3.594),
        ({"min_examples": 1, "hierarchy": "paths"}, 37, 3.654),
        ({"min_examples": 1, "hierarchy": "leaves"}, 34, None),
        # The paper's Table 8: 33 classes, 3.5 labels; its code finds an empty name beside them.
        ({"parsing": "authors", "min_examples": 10}, 34, 3.453),
    ],
)
def test_the_real_hallmarks(options, classes, per_example):
    root = SHARED_DATA / "cancer_hallmarks"
    if not root.is_dir():
        pytest.skip(f"{root} is not there")
    dataset = load_dataset({"dataset": "cancer_hallmarks", "root": str(root), **options})
    assert len(dataset.ids) == 1580
    assert len(dataset.labels) == classes
    if per_example is not None:
        assert dataset.targets.sum() / 1580 == pytest.approx(per_example, abs=0.0005)
    if "parsing" in options:
        assert "(empty)" in dataset.labels
        assert not {"DNA damage", "DNA repair mechanisms"} & set(dataset.labels)
