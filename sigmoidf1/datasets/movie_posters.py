"""Film posters and their genres: the two Kaggle tables, with a folder of images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sigmoidf1.datasets.base import DatasetSource, Examples
from sigmoidf1.datasets.common_options import IMAGES, ROOT
from sigmoidf1.datasets.reading.files import find_folder
from sigmoidf1.datasets.reading.images import ImageFolder
from sigmoidf1.datasets.reading.labels import make_targets, parse_flag, parse_labels
from sigmoidf1.datasets.reading.problems import Problems, Unusable
from sigmoidf1.datasets.reading.tables import Table, read_csv
from sigmoidf1.errors import InputError
from sigmoidf1.options import Option

_TABLES = ("MovieGenre.csv", "train.csv")
_FOLDERS = ("Images", "images", "SampleMoviePosters", "Posters", "posters", "Multi_Label_dataset")
_NOT_GENRES = ("Id", "Genre")

HOW = (
    "Download 'Movie Genre from its Poster' (neha1703/movie-genre-from-its-poster: MovieGenre.csv, "
    "with the posters it links to as IMDBID.jpg) or the multi-label poster set with train.csv "
    "(Id, Genre, one column a genre; Images/ID.jpg) from Kaggle, and set data.root to the folder "
    "that holds the table and the folder of images."
)


def read(options: Mapping[str, Any]) -> Examples:
    """Read genres from either table, and find the posters.

    Raises:
        InputError: if table or images are missing, or lines are broken (unless skipped).
    """
    problems = Problems(options["on_error"])
    tables = (options["table"],) if options["table"] else _TABLES
    folder = find_folder(options["root"], (".", "Multi_Label_dataset"), tables, how=HOW)
    path = next(folder / name for name in tables if (folder / name).exists())
    table = read_csv(path, problems)
    genres, merged = _read_genres(table, problems)
    images = _image_folder(folder, options)
    ids, paths, without = [], [], []
    for name in genres:
        poster = _find_poster(images, name, problems)
        if poster is None:
            without.append(name)
            if options["missing"] == "refuse":
                problems.report(
                    f"every film must have its poster, but {name!r} of {path} has none in "
                    f"{images.folder}",
                    "Add the image or set data.missing to drop",
                )
            if options["check_files"]:
                continue
            poster = str(images.folder / f"{name}.jpg")
        ids.append(name)
        paths.append(poster)
    if not ids and genres:
        raise InputError(
            f"posters must be named after their film's id, but none of {len(genres)} films of "
            f"{path} has one in {images.folder} (such as {next(iter(genres))}.jpg). {HOW}"
        )
    targets, labels = make_targets([genres[name] for name in ids])
    return Examples(
        ids=ids,
        inputs=paths,
        targets=targets,
        labels=labels,
        problems=problems,
        notes={
            "source": str(path),
            "n_missing_files": len(without),
            "n_repeated_films": merged,
        },
    )


def _read_genres(table: Table, problems: Problems) -> tuple[dict[str, set[str]], int]:
    """Return the genres of each film by id, and how many lines repeat a film."""
    known = {name.lower(): name for name in table.columns}
    id_column = known.get("imdbid") or known.get("id")
    genre_column = known.get("genre")
    flags = [] if "imdbid" in known else [c for c in table.columns if c not in _NOT_GENRES]
    if id_column is None or not (genre_column or flags):
        raise InputError(
            "the table must have the columns imdbId and Genre, or Id and one a genre, but "
            f"{table.path} has {', '.join(table.columns)}. {HOW}"
        )
    genres: dict[str, set[str]] = {}
    merged = 0
    for number, row in table.rows:
        name = row[id_column].strip()
        try:
            found = _genres_of(row, flags, genre_column)
            if not name:
                raise Unusable("it has no id")
        except Unusable as error:
            problems.report(
                f"every line must be a film and its genres, but {table.place(number)} is not "
                f"({error})",
                "Correct the line",
            )
            continue
        if name in genres:
            # The published table repeats some films; their genres are joined.
            merged += 1
        genres.setdefault(name, set()).update(found)
    return genres, merged


def _genres_of(row: Mapping[str, str], flags: list[str], genre_column: str | None) -> set[str]:
    if not flags:
        return set(parse_labels(row[genre_column or ""], "|"))
    found = set()
    for column in flags:
        flag = parse_flag(row[column])
        if flag is None:
            raise Unusable(f"column {column} must be 0 or 1, but is {row[column]!r:.80}")
        if flag:
            found.add(column)
    return found


def _image_folder(folder: Path, options: Mapping[str, Any]) -> ImageFolder:
    usual = [folder / name for name in _FOLDERS]
    chosen = [Path(options["images"])] if options["images"] else usual
    home = next((path for path in chosen if path.is_dir()), None)
    if home is None:
        if options["check_files"]:
            raise InputError(f"a folder of images must be there, but {chosen[0]} is not. {HOW}")
        home = chosen[0]
    return ImageFolder(home, check_files=options["check_files"])


def _find_poster(images: ImageFolder, name: str, problems: Problems) -> str | None:
    """Return the poster of a film, named 114709, 0114709 or tt0114709; None if there is none."""
    digits = name.removeprefix("tt")
    names = [name]
    if digits.isdecimal():
        number = str(int(digits))
        names += [number, number.zfill(7), f"tt{number.zfill(7)}", f"tt{number}"]
    try:
        return next((path for n in names if (path := images.find_stem(n)) is not None), None)
    except Unusable as error:
        problems.report(f"every poster must be usable, but {error}", "Replace the link by the file")
        return None


SOURCE = DatasetSource(
    name="movie_posters",
    modality="image",
    summary="Film posters and their genres from the Kaggle tables MovieGenre.csv or train.csv",
    read=read,
    options=(
        ROOT,
        IMAGES,
        Option(
            name="table",
            kind="str",
            description="the table's file name, where it is not MovieGenre.csv or train.csv",
            nullable=True,
        ),
        Option(
            name="missing",
            kind="str",
            description="what becomes of films without a poster, which the published tables have "
            "many of",
            default="drop",
            choices=("drop", "refuse"),
        ),
    ),
    min_examples=1000,
    drop_unlabelled=True,
    get=HOW,
)
