import json
import tracemalloc

import pytest

from sigmoidf1.datasets import load_dataset
from sigmoidf1.datasets.arxiv2020 import describe_paper, year_of
from sigmoidf1.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::sigmoidf1.datasets.DroppedClassWarning")
FILE = "arxiv-metadata-oai-snapshot.json"
CATEGORIES = ["cs.LG stat.ML", "math.CO", "cs.LG", "hep-ph math.CO cs.LG"]


def refusal(**options):
    with pytest.raises(InputError) as caught:
        load_dataset(options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def paper(number, year=2020, update=2021, **changes):
    return {
        "id": f"{year % 100:02d}01.{number:05d}",
        "submitter": "A. Name",
        "authors": "A. Name and B. Name",
        "title": f"Paper\n  {number}",
        "comments": None,
        "journal-ref": None,
        "doi": None,
        "report-no": None,
        "categories": CATEGORIES[number % len(CATEGORIES)],
        "license": None,
        "abstract": f"  We study number {number}\nof é\u2028things.\n",
        "versions": [
            {"version": "v1", "created": f"Mon, 6 Jan {year} 19:18:42 GMT"},
            {"version": "v2", "created": f"Tue, 7 Jan {update} 20:10:27 GMT"},
        ],
        "update_date": f"{update}-11-26",
        "authors_parsed": [["Name", "A.", ""]],
        **changes,
    }


def write(folder, papers, start=""):
    path = folder / FILE
    lines = [line if isinstance(line, str) else json.dumps(line) for line in papers]
    path.write_text(start + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def root(tmp_path):
    papers = [paper(n) for n in range(80)] + [paper(n, year=2019, update=2020) for n in range(30)]
    write(tmp_path, papers)
    return tmp_path


def load(root, **options):
    return load_dataset({"dataset": "arxiv2020", "root": str(root), "min_examples": 1, **options})


def test_papers_of_the_year_with_abstracts_and_categories(root):
    dataset = load(root)
    assert len(dataset.ids) == 80
    assert dataset.labels == ["cs.LG", "hep-ph", "math.CO", "stat.ML"]
    assert dataset.inputs[5] == "We study number 5 of é things."
    assert dataset.targets[dataset.ids.index("2001.00003")].tolist() == [1, 1, 1, 0]
    assert dataset.info["n_papers"] == 110
    assert dataset.info["n_of_year"] == 80


def test_year_by_update_title_and_primary_category(root):
    dataset = load(root, date="update", text="title_abstract", categories="primary")
    assert len(dataset.ids) == 30
    assert dataset.inputs[0] == "Paper 0. We study number 0 of é things."
    assert (dataset.targets.sum(axis=1) == 1).all()


def test_the_subset_is_seeded_and_does_not_depend_on_the_order_of_lines(root):
    chosen = load(root, limit=30)
    assert len(chosen.ids) == 30
    lines = (root / FILE).read_text(encoding="utf-8").strip().split("\n")
    write(root, lines[::-1])
    again = load(root, limit=30)
    assert dict(zip(chosen.ids, chosen.split, strict=True)) == dict(
        zip(again.ids, again.split, strict=True)
    )
    assert set(load(root, limit=30, split_seed=1).ids) != set(chosen.ids)


def test_texts_stay_in_the_file_and_can_be_read_in_any_order(root):
    inputs = load(root).inputs
    assert len(inputs) == 80
    assert inputs[-1] == list(inputs)[-1] == inputs[79]
    assert inputs[2:4] == [inputs[2], inputs[3]]
    (root / FILE).write_text("changed\n" * 1000)
    with pytest.raises(InputError, match="must not change while it is used"):
        inputs[40]


def test_memory_is_a_fraction_of_the_file(tmp_path):
    papers = [
        paper(n, abstract=f"Number {n} " + "words and more words " * 100) for n in range(4000)
    ]
    size = write(tmp_path, papers).stat().st_size
    tracemalloc.start()
    dataset = load(tmp_path, split="random")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(dataset.ids) == 4000
    assert peak < size / 3


def test_a_byte_order_mark_and_windows_lines_are_taken(root):
    path = root / FILE
    before = load(root)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert load(root).fingerprint == before.fingerprint


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"id": "2001.1", ', "Expecting property name"),
        ("[1, 2]", "it is a list"),
        (paper(500, versions=[]), "its date of first version is None"),
        (paper(500, abstract=None), "it has no abstract"),
        (paper(500, categories=None), "its categories are None"),
        (paper(500, id=7), "its id is 7"),
        (paper(3), "its id '2001.00003' occurred before"),
    ],
)
def test_bad_lines_get_one_line_or_are_skipped(root, line, words):
    lines = (root / FILE).read_text(encoding="utf-8").strip().split("\n")
    write(root, [*lines[:20], line, *lines[20:]])
    text = refusal(dataset="arxiv2020", root=str(root), min_examples=1)
    assert f"line 21 of {root / FILE}" in text
    assert words in text
    dataset = load(root, on_error="skip")
    assert len(dataset.ids) == 80
    assert dataset.info["skipped"]["count"] == 1


def test_an_empty_abstract_is_an_empty_text(root):
    lines = (root / FILE).read_text(encoding="utf-8").strip().split("\n")
    write(root, [*lines, paper(500, abstract=" \n ")])
    text = refusal(dataset="arxiv2020", root=str(root), min_examples=1)
    assert "that of example '2001.00500' is empty" in text
    assert len(load(root, on_error="skip").ids) == 80


def test_bytes_that_are_no_utf8(root):
    path = root / FILE
    path.write_bytes(path.read_bytes() + b'{"id": "\xff"}\n')
    assert f"line 111 of {path}" in refusal(dataset="arxiv2020", root=str(root))


def test_a_missing_snapshot_says_what_to_download(tmp_path):
    text = refusal(dataset="arxiv2020", root=str(tmp_path))
    assert "Cornell-University/arxiv" in text
    write(tmp_path, [paper(n) for n in range(40)]).rename(tmp_path / "mine.json")
    assert len(load(tmp_path, file="mine.json").ids) == 40


def test_dates_of_the_snapshot():
    assert year_of(paper(1, year=1998), "first_version") == 1998
    assert year_of(paper(1, update=2008), "update") == 2008
    assert describe_paper({"abstract": "a\n b"}, with_title=True) == "a b"
