"""Which column of a table is what: named by options, else found by its usual names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from sigmoidf1.datasets.reading.labels import choose_separator, parse_flag
from sigmoidf1.datasets.reading.tables import Table
from sigmoidf1.errors import InputError
from sigmoidf1.options import Option, unknown_name

_ID = ("id", "_id", "uid", "example_id", "doc_id", "document_id")
_TEXT = (
    *("text", "abstract", "sentence", "content", "body", "document", "review", "description"),
    *("comment_text", "comment", "tweet", "plot", "overview", "synopsis"),
)
_IMAGE = (
    *("image", "image_path", "image_name", "file_name", "filename", "file", "path", "img"),
    *("img_path", "img_name"),
)
_LABELS = ("labels", "label", "tags", "categories", "genres", "classes", "topics", "label_names")

COLUMN_OPTIONS = (
    Option(
        name="text",
        kind="names",
        description="the column of the text, or several to be joined (default: text, abstract, …)",
        nullable=True,
    ),
    Option(
        name="image",
        kind="str",
        description="the column of the image's path (default: image, file_name, …)",
        nullable=True,
    ),
    Option(
        name="id",
        kind="str",
        description="the column of the id (default: id, else made from the content)",
        nullable=True,
    ),
    Option(
        name="labels",
        kind="str",
        description="the column of the labels: a list, or a text with names separated "
        "(default: labels, tags, categories, …)",
        nullable=True,
    ),
    Option(
        name="separator",
        kind="str",
        description="what separates labels in a text (default: the first of | ; , that occurs)",
        nullable=True,
    ),
    Option(
        name="label_columns",
        kind="names",
        description="columns of 0 and 1, one a label, perhaps with * (default: where there is no "
        "column of labels, all that hold 0 and 1 alone)",
        nullable=True,
    ),
    Option(
        name="split_column",
        kind="str",
        description="the column of the split: train, validation or test (default: split)",
        nullable=True,
    ),
    Option(
        name="group_column",
        kind="str",
        description="the column of a group whose examples stay in one split",
        nullable=True,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a table by what they are; None or empty where there is none.

    `separator` is what separates names in `labels`.
    """

    text: list[str]
    image: str | None
    id: str | None
    labels: str | None
    separator: str | None
    flags: list[str]
    split: str | None
    group: str | None


def find_columns(tables: list[Table], options: Mapping[str, Any]) -> Columns:
    """Find out which column is what.

    Args:
        tables: the files of a dataset, which share their columns.
        options: a value for each of `COLUMN_OPTIONS`.

    Raises:
        InputError: if a named column is missing, or there is no text, image or label.
    """
    names = list(dict.fromkeys(name for table in tables for name in table.columns))
    where = str(tables[0].path)

    def named(option: str) -> str | None:
        return _named(options[option], option, names, where)

    text = [_named(name, "text", names, where) or "" for name in options["text"] or ()]
    image = named("image")
    if text and image:
        raise InputError(
            f"data.text and data.image must not both be set, but are for {where}. Keep one."
        )
    if not text and image is None:
        usual_text, image = _usual(_TEXT, names), _usual(_IMAGE, names)
        text = [usual_text] if usual_text else []
        if text and image:
            raise InputError(
                f"a dataset must be of texts or of images, but {where} has both columns "
                f"{text[0]} and {image}. Set data.text or data.image to choose."
            )
    if not text and image is None:
        raise InputError(
            f"a table must have a text or an image column, but {where} has {', '.join(names)}. "
            "Set data.text or data.image to one of these."
        )
    split = named("split_column") or ("split" if "split" in names else None)
    group, identity = named("group_column"), named("id") or _usual(_ID, names)
    taken = {*text, image, split, group, identity}
    labels, flags = named("labels"), _flag_columns(options["label_columns"], names, where)
    if labels is None and not flags:
        labels = _usual(_LABELS, [name for name in names if name not in taken])
    if labels is None and not flags:
        flags = [n for n in names if n not in taken and _holds_flags(tables, n)]
    if labels is None and not flags:
        raise InputError(
            f"a table must have a column of labels or one of 0 and 1 a label, but {where} has "
            f"{', '.join(names)}. Set data.labels or data.label_columns."
        )
    separator = options["separator"]
    if labels is not None and separator is None:
        separator = choose_separator(row.get(labels) for table in tables for _, row in table.rows)
    return Columns(
        text=text,
        image=image,
        id=identity,
        labels=labels,
        separator=separator,
        flags=flags,
        split=split,
        group=group,
    )


def usual_image_column(names: list[str]) -> str:
    """Return the column of an image's name, of all that are usual for it, else of the id.

    Raises:
        InputError: if there is none.
    """
    found = _usual((*_IMAGE, *_ID), names)
    if found is None:
        raise InputError(
            f"a table of images must name them, but has the columns {', '.join(names)}. "
            "Set data.image to one of these."
        )
    return found


def _named(name: str | None, option: str, names: list[str], where: str) -> str | None:
    if name is not None and name not in names:
        raise InputError(f"data.{option}: " + unknown_name(f"column of {where}", name, names))
    return name


def _usual(usual: tuple[str, ...], names: list[str]) -> str | None:
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in usual if name in lower), None)


def _flag_columns(patterns: list[str] | None, names: list[str], where: str) -> list[str]:
    found: list[str] = []
    for pattern in patterns or ():
        matching = [name for name in names if name == pattern or fnmatchcase(name, pattern)]
        if not matching:
            _named(pattern, "label_columns", names, where)
        found += matching
    return list(dict.fromkeys(found))


def _holds_flags(tables: list[Table], name: str) -> bool:
    return all(parse_flag(row.get(name)) is not None for table in tables for _, row in table.rows)
