"""The pages over losses, curves, cells, datasets, comparisons and the loss, without a browser."""

from __future__ import annotations

from typing import Any

import pytest

from dashboards.addresses import judge, make_page
from dashboards.source import Source

PAGES = ("/losses", "/curves", "/cells", "/datasets", "/compare", "/shape")


def words(content: Any) -> str:
    """All texts of a component and of those within it."""
    if content is None or isinstance(content, int | float):
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list | tuple):
        return " ".join(words(item) for item in content)
    return " ".join(words(getattr(content, name, None)) for name in ("label", "title", "children"))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("sweep", ["movie-genres", "not-begun"])
def test_every_page_of_every_sweep_is_shown(source: Source, path: str, sweep: str) -> None:
    content, current, _, state, title = make_page(source, path, f"?sweep={sweep}")
    assert (current, state) == (sweep, "shown"), words(content)
    assert sweep in title


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/losses?losses.mode=best", 400, "must be one of fixed, tuned"),
        ("/losses?losses.ref=%3Cb%3E", 404, "but got '<b>'"),
        ("/losses?metric=f2", 404, "but got 'f2'"),
        ("/curves?curves.cells=nope", 404, "none of its cells has it"),
        ("/cells?cells.pick=';drop table sweep_cells", 404, "drop table"),
        ("/cells?cells.filter=beta", 404, "column:low..high"),
        ("/cells?cells.filter=zeta:1..2", 404, "but got 'zeta'"),
        ("/cells?loss=hinge", 404, "Known: sigmoid_f1"),
        ("/compare?compare.with=other", 404, "but got 'other'"),
        ("/compare?compare.read=rank", 400, "must be one of"),
        ("/shape?shape.beta=steep", 400, "shape.beta"),
        ("/shape?shape.cell=zz", 404, "but got 'zz'"),
        ("/shape?shape.input=scores", 400, "must be one of"),
    ],
)
def test_what_cannot_be_shown_is_a_sentence_with_its_status(
    source: Source, address: str, status: int, said: str
) -> None:
    path, _, search = address.partition("?")
    assert judge(source, path, search) == status
    content, _, _, state, _ = make_page(source, path, search)
    assert said in words(content)
    assert state == "error"


def test_one_sweep_alone_has_nothing_to_compare_with(tmp_path, dashboard_data) -> None:
    from storage.store import Store

    url = f"sqlite:///{tmp_path}/one.db"
    with Store.open(url) as store:
        cells = dashboard_data.make_cells([1.0], [0.0])[:1]
        dashboard_data.add_sweep(store, "alone", cells=cells, seeds=1, record=False)
    source = Source(url)
    content, *_, state, _ = make_page(source, "/compare", "?sweep=alone")
    assert "Nothing to compare with" in words(content)
    assert state == "shown"
    source.close()
