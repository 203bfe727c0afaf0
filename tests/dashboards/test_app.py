"""What the pages say, without a browser: views, errors in words, serving, and what is imported."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from dashboards.addresses import make_page
from dashboards.app import make_app
from dashboards.serve import ServeError, serve
from dashboards.source import Source
from dashboards.view import View, ViewError
from storage.errors import StoreError


def words(content: Any) -> str:
    """All texts of a component and of those within it."""
    if content is None or isinstance(content, int | float):
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list | tuple):
        return " ".join(words(item) for item in content)
    return " ".join(words(getattr(content, name, None)) for name in ("label", "title", "children"))


def test_a_view_survives_its_address() -> None:
    extra = {"map.agg": "median", "map.seeds": "0,3"}
    view = View("a & b", "asl", "map", "test", 0.05, "gamma_neg", "clip", {"lr": "0.001"}, extra)
    assert View.parse(view.query()) == view
    assert View.parse("") == View()
    assert View().query() == ""


@pytest.mark.parametrize("search", ["?t=0", "?t=1", "?t=x", "?t=nan", "?t=inf", "?split=train2"])
def test_a_view_that_cannot_be_is_refused_in_words(search: str) -> None:
    with pytest.raises(ViewError, match=r"must be .*, but got"):
        View.parse(search)


@pytest.mark.parametrize("path", ["/map", "/losses", "/about"])
@pytest.mark.parametrize("sweep", ["movie-genres", "finished", "not-begun"])
def test_every_page_of_every_sweep_is_shown(source: Source, path: str, sweep: str) -> None:
    _, current, menu, state, title = make_page(source, path, f"?sweep={sweep}")
    assert (current, state) == (sweep, "shown")
    assert menu is not None
    assert sweep in title


def test_the_latest_sweep_is_shown_unless_one_is_asked_for(source: Source) -> None:
    assert make_page(source, "/map", "")[1] == "movie-genres"


@pytest.mark.parametrize(
    ("path", "search", "said"),
    [
        ("/map", "?sweep=nope", "got 'nope'"),
        ("/map", "?sweep=%27%3B+drop+table+sweep_sweeps", "drop table"),
        ("/map", "?loss=sigmoid", "Known: sigmoid_f1, focal"),
        ("/map", "?metric=f1%3Cb%3E", "got 'f1<b>'"),
        ("/map", "?x=lr2", "An axis must be a setting"),
        ("/map", "?hold.foo=1", "A slice must name"),
        ("/map", "?t=7", "between 0 and 1"),
        ("/losses", "?split=all", "must be validation or test"),
        ("/etc/passwd", "", "none of this service"),
    ],
)
def test_what_cannot_be_shown_is_a_sentence(source: Source, path, search, said) -> None:
    content, current, _, state, _ = make_page(source, path, search)
    assert said in words(content)
    assert (current, state) == (None, "error")


@pytest.mark.parametrize("path", ["/", "/map", "/losses", "/about"])
def test_an_empty_store_says_how_to_fill_it(empty_store_url: str, path: str) -> None:
    content, *_ = make_page(Source(empty_store_url), path, "")
    assert "sigmoidf1 sweep run" in words(content)


def test_a_missing_or_foreign_store_is_a_sentence(tmp_path: Path) -> None:
    content, *_, state, _ = make_page(Source(f"sqlite:///{tmp_path}/no.db"), "/", "")
    assert "The store cannot be read" in words(content)
    assert state == "error"
    (tmp_path / "text.db").write_text("this is no database at all, only a text" * 50)
    content, *_ = make_page(Source(f"sqlite:///{tmp_path}/text.db"), "/map", "")
    assert "The store cannot be read" in words(content)


def test_the_app_answers_with_language_and_health(store_url: str) -> None:
    client = make_app(store_url).server.test_client()
    page = client.get("/map?sweep=movie-genres")
    assert page.status_code == 200
    assert '<html lang="en">' in page.text
    assert "https://" not in page.text
    assert client.get("/healthz").status_code == 200


def test_an_app_can_be_made_before_its_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/later.db"
    assert make_app(url).server.test_client().get("/").status_code == 503
    assert not (tmp_path / "later.db").exists()


def test_a_port_in_use_is_one_clear_line(store_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=f"Port {port} of 127.0.0.1 is in use") as caught:
            serve(store_url, port=port)
    assert "\n" not in str(caught.value)


def test_serving_refuses_a_bad_port_address_or_store(store_url: str, tmp_path: Path) -> None:
    with pytest.raises(ServeError, match="0 to 65535"):
        serve(store_url, port=70000)
    with pytest.raises(ServeError, match="cannot listen on"):
        serve(store_url, host="no.such.host.invalid")
    with pytest.raises(StoreError):
        serve(f"sqlite:///{tmp_path}/no.db")


def test_serving_answers_until_it_is_interrupted(store_url: str) -> None:
    code = (
        "import sys; from dashboards.serve import serve; "
        "serve(sys.argv[1], port=0, on_ready=lambda url: print(url, flush=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, store_url], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(url + "/map", timeout=20) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, dashboards.app, dashboards.report, dashboards.serve, dashboards.figures\n"
        "bad = {'torch', 'ray', 'sigmoidf1', 'transformers', 'timm'} & set(sys.modules)\n"
        "sys.exit(f'imported: {sorted(bad)}' if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
