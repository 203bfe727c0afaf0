"""What the first answer of the app carries: the page of the address, with its map drawn."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from dashboards.app import make_app

ADDRESS = "http://localhost/map?sweep=movie-genres&loss=sigmoid_f1&t=0.3"


@pytest.fixture(scope="module")
def server(store_url: str) -> Any:
    return make_app(store_url).server


def find(component: Any, name: str) -> Any:
    """The properties of the component with an id, anywhere below ``component``."""
    if isinstance(component, list):
        return next((hit for item in component if (hit := find(item, name))), None)
    if not isinstance(component, dict) or "props" not in component:
        return None
    if component["props"].get("id") == name:
        return component["props"]
    return find(component["props"].get("children"), name)


def opened(server: Any, referer: str | None, look: str = "") -> Any:
    client = server.test_client()
    if look:
        client.set_cookie("look", look)
    headers = {} if referer is None else {"Referer": referer}
    return client.get("/_dash-layout", headers=headers).get_json()


def test_the_layout_comes_with_the_map_that_the_callback_would_draw(server) -> None:
    layout = opened(server, ADDRESS, "medium.dark")
    context = find(layout, "map-context")["data"]
    assert (context["viewport"], context["scheme"]) == ("medium", "dark")
    assert find(layout, "token")["data"] == context["token"] != ""
    assert find(layout, "map-graph")["figure"]["data"][0]["type"] == "heatmap"
    assert "t = 0.281" in find(layout, "map-facts")["children"]
    assert "t=0.2" in find(layout, "view")["data"]["query"]
    assert find(layout, "shown")["data"] == ["/map", ADDRESS.partition("/map")[2]]


@pytest.mark.parametrize("look", ["", "huge.dark", "wide", "wide.light.more", "a.b"])
def test_a_browser_that_says_nothing_of_itself_gets_the_page_without_figure(server, look) -> None:
    layout = opened(server, ADDRESS, look)
    assert "data" not in find(layout, "map-context")
    assert find(layout, "current")["data"] == "movie-genres"


@pytest.mark.parametrize(
    "referer", [None, "http://elsewhere.example/map?sweep=movie-genres", "not an address"]
)
def test_who_asks_from_elsewhere_gets_the_frame_alone(server, referer) -> None:
    layout = opened(server, referer, "wide.light")
    assert "data" not in find(layout, "shown")
    assert find(layout, "map-graph") is None


def test_an_address_that_cannot_be_shown_is_left_to_the_page(server) -> None:
    layout = opened(server, "http://localhost/map?sweep=%3Cb%3E", "wide.light")
    assert "data" not in find(layout, "shown")


def test_files_that_name_their_version_are_kept_and_sent_packed(server) -> None:
    client = server.test_client()
    page = client.get("/map?sweep=movie-genres").text
    assert "dash_ag_grid.v" not in page.partition("<body>")[2]
    assert '<meta name="grid-script" content="/_dash-component-suites/dash_ag_grid/' in page
    address = "/assets/view.js?m=1"
    plain = client.get(address, buffered=True)
    packed = client.get(address, headers={"Accept-Encoding": "gzip"}, buffered=True)
    assert "immutable" in plain.headers["Cache-Control"]
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert gzip.decompress(packed.data) == plain.data
    assert "immutable" not in client.get("/assets/view.js", buffered=True).headers["Cache-Control"]


@pytest.mark.parametrize(("address", "is_packed"), [("127.0.0.1", False), ("192.0.2.7", True)])
def test_answers_are_packed_for_browsers_elsewhere_alone(server, address, is_packed) -> None:
    answer = server.test_client().get(
        "/_dash-dependencies",
        headers={"Accept-Encoding": "gzip"},
        environ_base={"REMOTE_ADDR": address},
    )
    assert ("Content-Encoding" in answer.headers) is is_packed
