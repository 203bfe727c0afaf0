import json
import os

import numpy as np
import pytest
from PIL import Image

from sigmoidf1.datasets import load_dataset
from sigmoidf1.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::sigmoidf1.datasets.DroppedClassWarning")


def refusal(**options):
    with pytest.raises(InputError) as caught:
        load_dataset(options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def pixels(number):
    return np.random.default_rng(number).integers(0, 255, (16, 16, 3)).astype(np.uint8)


def write(root, names=None):
    """Write images/N.jpg and labels.csv, which names them."""
    root.mkdir(exist_ok=True)
    (root / "images").mkdir()
    names = names or [f"images/{number}.jpg" for number in range(30)]
    lines = ["image,labels"]
    for number, name in enumerate(names):
        Image.fromarray(pixels(number)).save(root / name)
        lines.append(f"{name},{'a|b' if number % 2 else 'b|c'}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


def load(root, **options):
    return load_dataset({"dataset": "image_folder", "root": str(root), **options})


def test_images_and_their_table(tmp_path):
    dataset = load(write(tmp_path))
    assert dataset.modality == "image"
    assert dataset.ids[3] == "images/3.jpg"
    assert dataset.labels == ["a", "b", "c"]
    assert dataset.inputs[3] == str(tmp_path.resolve() / "images" / "3.jpg")


def test_moving_the_folder_changes_nothing(tmp_path):
    before = load(write(tmp_path / "one"))
    (tmp_path / "one").rename(tmp_path / "two")
    assert load(tmp_path / "two").fingerprint == before.fingerprint


def test_metadata_jsonl_and_names_without_ending(tmp_path):
    write(tmp_path)
    (tmp_path / "labels.csv").unlink()
    entries = [{"file_name": f"images/{n}", "labels": ["a", "bc"[n % 2]]} for n in range(30)]
    path = tmp_path / "metadata.jsonl"
    path.write_text("\n".join(json.dumps(entry) for entry in entries))
    assert len(load(tmp_path).ids) == 30


def test_bare_names_are_found_in_any_folder_below_if_they_are_there_once(tmp_path):
    root = write(tmp_path)
    path = root / "labels.csv"
    path.write_text(path.read_text().replace("images/", "").replace(".jpg", ""))
    dataset = load(root)
    assert dataset.ids[3] == "images/3.jpg"
    (root / "more").mkdir()
    Image.fromarray(pixels(77)).save(root / "more" / "3.jpg")
    assert f"image {root.resolve()}/3 is not there" in refusal(
        dataset="image_folder", root=str(root)
    )


def test_huge_values_make_short_messages(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"image": {"bytes": "x" * 10**6}, "labels": ["a"]}) + "\n")
    assert len(refusal(dataset="jsonl", path=str(path))) < 1000


def test_the_other_datasets_of_tables_take_images(tmp_path):
    write(tmp_path)
    path = str(tmp_path / "labels.csv")
    dataset = load_dataset({"dataset": "csv", "path": path})
    assert dataset.modality == "image"
    assert dataset.inputs == load(tmp_path).inputs


def truncate(root):
    path = root / "images" / "3.jpg"
    path.write_bytes(path.read_bytes()[:-200])


def no_image(root):
    (root / "images" / "3.jpg").write_text("<html>404</html>")


def empty(root):
    (root / "images" / "3.jpg").write_bytes(b"")


def truncated_png(root):
    path = root / "images" / "3.jpg"
    Image.fromarray(pixels(3)).save(path, format="PNG")
    path.write_bytes(path.read_bytes()[:-40])


def absent(root):
    (root / "images" / "3.jpg").unlink()


def extra(root):
    Image.fromarray(pixels(99)).save(root / "images" / "99.jpg")


def row(root, name):
    path = root / "labels.csv"
    path.write_text(path.read_text() + f"{name},a\n")


def link_out(root):
    outside = root.parent / "outside.jpg"
    Image.fromarray(pixels(99)).save(outside)
    (root / "images" / "link.jpg").symlink_to(outside)
    row(root, "images/link.jpg")


@pytest.mark.parametrize(
    ("spoil", "words", "left"),
    [
        (truncate, "3.jpg' cannot be decoded (", 29),
        (no_image, "3.jpg' is no image (it begins with b'<html>40')", 29),
        (empty, "3.jpg' is empty", 29),
        (truncated_png, "3.jpg' cannot be decoded", 29),
        (absent, "3.jpg is not there", 29),
        (extra, "99.jpg has none", 30),
        (lambda root: row(root, "images/77.jpg"), "77.jpg is not there", 30),
        (lambda root: row(root, "../secret.jpg"), "must stay inside", 30),
        (lambda root: row(root, "/etc/passwd"), "must stay inside", 30),
        (lambda root: row(root, "images/../../x.jpg"), "must stay inside", 30),
        (lambda root: row(root, ".."), "must stay inside", 30),
        (lambda root: row(root, " "), "must be a path, but is ' '", 30),
        (link_out, "leads to", 30),
    ],
)
def test_bad_images_get_one_line_or_are_skipped(tmp_path, spoil, words, left):
    root = write(tmp_path / "data")
    spoil(root)
    assert words in refusal(dataset="image_folder", root=str(root))
    dataset = load(root, on_error="skip")
    assert len(dataset.ids) == left
    skipped = dataset.info["skipped"]
    assert any(words in problem for problem in skipped["problems"])


@pytest.mark.parametrize("mode", ["CMYK", "P", "L", "I;16", "LA", "1"])
def test_odd_but_whole_images_are_taken(tmp_path, mode):
    root = write(tmp_path)
    image = Image.fromarray(pixels(3))
    image = (
        Image.fromarray(np.full((16, 16), 3000, np.uint16))
        if mode == "I;16"
        else image.convert(mode)
    )
    suffix = "jpg" if mode == "CMYK" else "png"
    (root / "images" / "3.jpg").unlink()
    image.save(root / "images" / f"3.{suffix}")
    path = root / "labels.csv"
    path.write_text(path.read_text().replace("images/3.jpg", f"images/3.{suffix}"))
    assert len(load(root).ids) == 30


def test_byte_identical_images_stay_together(tmp_path):
    root = write(tmp_path)
    for number in range(1, 30, 3):
        (root / "images" / f"{number}.jpg").write_bytes(
            (root / "images" / f"{number - 1}.jpg").read_bytes()
        )
    dataset = load(root)
    copies = dataset.info["duplicates"]
    assert (copies["n_sets"], copies["n_examples"], copies["n_dropped"]) == (10, 20, 0)
    assert copies["n_with_differing_labels"] == 10
    split = dict(zip(dataset.ids, dataset.split, strict=True))
    assert all(
        split[f"images/{number}.jpg"] == split[f"images/{number - 1}.jpg"]
        for number in range(1, 30, 3)
    )
    assert len(load(root, duplicates="drop").ids) == 20


def test_without_checking_files_changes_still_show(tmp_path):
    root = write(tmp_path)
    before = load(root, check_files=False)
    assert load(root, check_files=False).fingerprint == before.fingerprint
    path = root / "images" / "3.jpg"
    os.utime(path, ns=(1, 1))
    assert load(root, check_files=False).inputs_fingerprint != before.inputs_fingerprint
    path.unlink()
    after = load(root, check_files=False)
    assert after.info["n_missing_files"] == 1
    assert len(after.ids) == 30


def test_what_is_missing_is_said(tmp_path):
    assert "a table in it" in refusal(dataset="image_folder", root=str(tmp_path))
    (tmp_path / "labels.csv").write_text("x,labels\n1,a\n")
    assert "must name them, but has the columns x, labels" in refusal(
        dataset="image_folder", root=str(tmp_path)
    )
