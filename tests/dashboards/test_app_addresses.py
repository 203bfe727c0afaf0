"""The HTTP status of every kind of address, and a process that stays up whatever the store does."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import plotly
import pytest

import dashboards
from dashboards.app import make_app
from dashboards.pages.listing import NAVIGATION, every_page
from dashboards.pages.map_controls import read_view
from dashboards.view import View, ViewError
from storage.store import Store


@pytest.fixture(scope="module")
def client(store_url: str) -> Any:
    return make_app(store_url).server.test_client()


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/", 200),
        ("/map?sweep=movie-genres&loss=asl&metric=map&t=0.05&split=test", 200),
        ("/map?map.agg=median&map.kind=contour&map.outline=tied&map.seeds=0,2", 200),
        ("/nowhere", 404),
        ("/map?sweep=nope", 404),
        ("/map?sweep=%27%3B+DROP+TABLE+sweep_sweeps%3B--", 404),
        ("/map?loss=%3Cscript%3Ealert(1)%3C/script%3E", 404),
        ("/map?metric=f2", 404),
        ("/map?x=temperature", 404),
        ("/map?hold.alpha=7", 404),
        ("/cell?cell.key=zzzz", 404),
        ("/cell?cell.key=cell-00", 404),
        ("/map?split=all", 400),
        ("/map?t=2", 400),
        ("/map?map.agg=max", 400),
        ("/map?map.low=0.5&map.high=0.1", 400),
        ("/map?map.low=x", 400),
        ("/healthz", 200),
    ],
)
def test_an_address_has_the_status_of_what_it_shows(client: Any, address: str, status: int) -> None:
    answer = client.get(address)
    assert answer.status_code == status
    assert "<script>alert" not in answer.text


def test_every_page_of_the_navigation_answers(client: Any) -> None:
    for page in every_page():
        assert client.get(f"{page.PATH}?sweep=movie-genres").status_code == 200, page.PATH
    assert len({page.NAME for page in NAVIGATION}) == len(NAVIGATION)


def test_a_store_that_comes_goes_and_comes_back(tmp_path: Path, dashboard_data: Any) -> None:
    path = tmp_path / "sweeps.db"
    client = make_app(f"sqlite:///{path}").server.test_client()
    assert client.get("/map").status_code == 503
    with Store.open(f"sqlite:///{path}") as store:
        cells = dashboard_data.make_cells([1.0], [0.0])
        dashboard_data.add_sweep(store, "s", cells=cells, seeds=2)
    assert client.get("/map").status_code == 200
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sweeps_alembic_version SET version_num = '9999'",
        "UPDATE sweeps_alembic_version SET version_num = '0001'",
    ],
)
def test_a_store_of_another_version_is_unavailable(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "sweeps.db"
    Store.open(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    client = make_app(f"sqlite:///{path}").server.test_client()
    assert client.get("/").status_code == 503
    assert client.get("/map").status_code == 503


def test_a_database_of_another_program_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photos (id INTEGER)")
    client = make_app(f"sqlite:///{path}").server.test_client()
    assert client.get("/").status_code == 503
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("photos",)]


def test_what_a_page_keeps_in_the_address_is_read_and_refused_in_words() -> None:
    view = View("s").having(map_agg="iqm", map_low=0.25, map_high=None, map_seeds="1,2")
    asked = read_view(View.parse(view.query()))
    assert asked.aggregate == "iqm"
    assert asked.span == (0.25, None)
    assert asked.seeds == ["1", "2"]
    assert view.having(map_agg=None).extra.get("map.agg") is None
    with pytest.raises(ViewError, match=r"map\.kind must be one of cells, points"):
        read_view(View(extra={"map.kind": "pie"}))


def test_no_page_asks_anything_of_another_host(client: Any) -> None:
    text = client.get("/map?sweep=movie-genres").text
    body = text[text.index("<body>") :].split('type="application/json"')[0]
    assert 'src="http' not in body
    assert 'href="http' not in text


def test_the_small_bundle_is_of_the_same_plotly_as_the_whole_one(client: Any) -> None:
    assets = Path(dashboards.__file__).parent / "assets"
    whole = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    versions = [
        re.search(r"plotly\.js (?:\(cartesian - minified\) )?v(\d+\.\d+\.\d+)", text)
        for text in (
            (assets / "plotly-cartesian.min.js").read_text()[:300],
            whole.read_text()[:300],
        )
    ]
    assert versions[0] is not None
    assert versions[1] is not None
    assert versions[0][1] == versions[1][1]
    page = client.get("/").text
    assert page.index("scheme.js") < page.index("<style>") < page.index("plotly-cartesian")
    assert "plotly.min.js" not in page
    assert page.count("scheme.js") == 1
