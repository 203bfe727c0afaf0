import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sigmoidf1.datasets import load_dataset
from sigmoidf1.errors import InputError

SHARED_DATA = Path(
    os.environ.get("SIGMOIDF1_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")
)
pytestmark = pytest.mark.filterwarnings("ignore::sigmoidf1.datasets.DroppedClassWarning")
GENRES = ["Action", "Comedy", "Drama"]


def refusal(**options):
    with pytest.raises(InputError) as caught:
        load_dataset(options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def load(root, **options):
    return load_dataset(
        {"dataset": "movie_posters", "root": str(root), "min_examples": 1, **options}
    )


def save_posters(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        pixels = np.full((8, 8, 3), number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.jpg")


def write_movie_genre(root, count=30, end="\n"):
    """Write MovieGenre.csv as published: Latin-1, links, quoted titles, genres with |."""
    lines = ["imdbId,Imdb Link,Title,IMDB Score,Genre,Poster"]
    for number in range(1, count + 1):
        genres = [g for place, g in enumerate(GENRES) if (number >> place) & 1] or ["Drama"]
        title = f'"Amélie, part {number} (2001)"'
        link = f"http://www.imdb.com/title/tt{number}"
        poster = f"https://images.example/{number}._V1_UX182_CR0,0,182,268_AL_.jpg"
        lines.append(f'{number},{link},{title},8.3,{"|".join(genres)},"{poster}"')
    path = root / "MovieGenre.csv"
    path.write_bytes((end.join(lines) + end).encode("latin-1"))
    return path


def write_train(root, count=30):
    columns = [*GENRES, "N/A"]
    lines = ["Id,Genre," + ",".join(columns)]
    for number in range(1, count + 1):
        flags = [(number >> place) & 1 for place in range(3)] + [0]
        if not any(flags):
            flags[2] = 1
        names = [c for c, flag in zip(columns, flags, strict=True) if flag]
        lines.append(f'tt{number:07d},"{names}",' + ",".join(map(str, flags)))
    path = root / "train.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("folder", ["SampleMoviePosters", "Images", "Posters"])
@pytest.mark.parametrize("name", ["{}", "tt{:07d}"])
def test_movie_genre_csv(tmp_path, folder, name):
    write_movie_genre(tmp_path)
    save_posters(tmp_path / folder, [name.format(number) for number in range(1, 31)])
    dataset = load(tmp_path)
    assert dataset.labels == GENRES
    assert len(dataset.ids) == 30
    assert dataset.targets[dataset.ids.index("5")].tolist() == [1, 0, 1]
    assert Path(dataset.inputs[4]).name == name.format(5) + ".jpg"


def test_train_csv_agrees(tmp_path):
    write_movie_genre(tmp_path)
    save_posters(tmp_path / "Images", [f"tt{number:07d}" for number in range(1, 31)])
    by_text = load(tmp_path)
    (tmp_path / "MovieGenre.csv").unlink()
    write_train(tmp_path)
    by_columns = load(tmp_path)
    assert by_columns.labels == GENRES
    assert by_columns.ids[4] == "tt0000005"
    assert (by_columns.targets == by_text.targets).all()


def test_windows_lines(tmp_path):
    write_movie_genre(tmp_path, end="\r\n")
    save_posters(tmp_path / "Images", range(1, 31))
    assert load(tmp_path).targets.sum() > 30


def test_films_without_poster_are_dropped_or_refused(tmp_path):
    path = write_movie_genre(tmp_path)
    save_posters(tmp_path / "Images", range(1, 21))
    dataset = load(tmp_path)
    assert len(dataset.ids) == 20
    assert dataset.info["n_missing_files"] == 10
    text = refusal(dataset="movie_posters", root=str(tmp_path), min_examples=1, missing="refuse")
    assert f"'21' of {path} has none in" in text
    assert len(load(tmp_path, check_files=False).ids) == 30


def test_repeated_films_join_their_genres(tmp_path):
    path = write_movie_genre(tmp_path)
    path.write_text(path.read_text("latin-1") + "1,x,Amelie,8,Western|Action,y\n", "latin-1")
    save_posters(tmp_path / "Images", range(1, 31))
    dataset = load(tmp_path)
    assert dataset.info["n_repeated_films"] == 1
    assert dataset.labels == [*GENRES, "Western"]


def test_a_film_without_genre_is_unlabelled(tmp_path):
    path = write_movie_genre(tmp_path)
    path.write_text(path.read_text("latin-1") + "31,x,No genre,8,,y\n", "latin-1")
    save_posters(tmp_path / "Images", range(1, 32))
    assert "31" not in load(tmp_path).ids
    assert "31" in load(tmp_path, unlabelled="keep").ids


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("31,too,few", "has 3"),
        (",x,No id,8,Drama,y", "it has no id"),
    ],
)
def test_bad_lines_get_one_line_or_are_skipped(tmp_path, line, words):
    path = write_movie_genre(tmp_path)
    path.write_text(path.read_text("latin-1") + line + "\n", "latin-1")
    save_posters(tmp_path / "Images", range(1, 31))
    text = refusal(dataset="movie_posters", root=str(tmp_path), min_examples=1)
    assert f"line 32 of {path}" in text
    assert words in text
    assert load(tmp_path, on_error="skip").info["skipped"]["count"] == 1


def test_a_flag_that_is_none(tmp_path):
    path = write_train(tmp_path)
    path.write_text(path.read_text() + "tt0000031,x,0,1,2,0\n")
    save_posters(tmp_path / "Images", [f"tt{number:07d}" for number in range(1, 32)])
    text = refusal(dataset="movie_posters", root=str(tmp_path), min_examples=1)
    assert "column Drama must be 0 or 1, but is '2'" in text


def test_what_is_missing_is_said(tmp_path):
    assert "MovieGenre.csv" in refusal(dataset="movie_posters", root=str(tmp_path))
    write_movie_genre(tmp_path)
    text = refusal(dataset="movie_posters", root=str(tmp_path))
    assert "a folder of images must be there" in text
    save_posters(tmp_path / "Images", ["other"])
    assert "none of 30 films" in refusal(dataset="movie_posters", root=str(tmp_path))
    (tmp_path / "MovieGenre.csv").write_text("a,b\n1,2\n")
    assert "must have the columns imdbId and Genre" in refusal(
        dataset="movie_posters", root=str(tmp_path)
    )


@pytest.mark.shared_data
def test_the_real_posters():
    root = SHARED_DATA / "movie_posters"
    if not root.is_dir():
        pytest.skip(f"{root} is not there")
    dataset = load(root)
    assert len(dataset.ids) == 400
    assert dataset.info["n_missing_files"] == 0
    assert dataset.info["skipped"]["count"] == 0
    assert len(load(root, min_examples=20).labels) == 14
