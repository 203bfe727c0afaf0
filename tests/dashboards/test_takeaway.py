"""What is taken away: figures as files, their numbers, best cells, and the JSON."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import sqlalchemy as sa

from dashboards.app import make_app
from dashboards.source import Source
from dashboards.takeaway.catalogue import draw, figure_kinds
from dashboards.takeaway.drawing import Drawing
from dashboards.takeaway.rendering import BrowserMissingError, Size, refit, render
from dashboards.takeaway.tables import traces_table
from dashboards.view import View

SWEEP = "movie-genres"
# What the made-up store lacks: positives, kept cells, a second dataset with the same axes.
WITHOUT_DATA = {"classes", "pairs", "class-f1", "compare", "transfer"}
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def source(store_url: str) -> Iterator[Source]:
    """One reader for all tests here, which keeps what it has read."""
    reader = Source(store_url)
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def client(store_url: str) -> Any:
    return make_app(store_url).server.test_client()


@pytest.mark.parametrize("name", sorted(set(figure_kinds()) - WITHOUT_DATA))
def test_every_figure_has_numbers_and_a_picture(source: Source, name: str) -> None:
    drawing = draw(source, name, View(sweep=SWEEP))
    assert drawing.text.title
    assert isinstance(drawing.plot("dark"), go.Figure)
    assert len(drawing.table())


def pixels_above(figure: go.Figure) -> tuple[float, float]:
    """How far the colour bar and the title stand above the map."""
    layout = figure.layout
    inner = layout.height - layout.margin.t - layout.margin.b
    bar = (figure.data[0].colorbar.y - 1) * inner
    return bar, layout.margin.t - (1 - layout.title.y) * layout.height


@pytest.mark.parametrize("height", [320, 1200])
def test_at_another_height_title_and_colour_bar_stay_where_they_were(
    source: Source, height: int
) -> None:
    figure = draw(source, "map", View(sweep=SWEEP)).plot("light")
    before = pixels_above(figure)
    refit(figure, height)
    assert figure.layout.height == height
    assert pixels_above(figure) == pytest.approx(before)


def test_the_map_as_csv_is_what_the_store_holds(
    client: Any, source: Source, store_url: str
) -> None:
    answer = client.get(f"/download/map.csv?sweep={SWEEP}&loss=sigmoid_f1&split=validation")
    assert answer.status_code == 200
    assert f"{SWEEP}-map.csv" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    query = sa.text(
        "SELECT c.parameters, avg(r.objective), count(r.objective) FROM sweep_cells c "
        "JOIN sweep_replicates r ON r.cell_id = c.id JOIN sweep_sweeps s ON s.id = c.sweep_id "
        "WHERE s.name = :name AND c.loss = 'sigmoid_f1' GROUP BY c.id"
    )
    with sa.create_engine(store_url).connect() as connection:
        found = connection.execute(query, {"name": SWEEP}).all()
    wanted = {}
    for parameters, mean, n in found:
        values = json.loads(parameters)
        wanted[float(values["beta"]), float(values["eta"])] = (mean, n)
    assert any(eta == 0 for _, eta in wanted)
    assert any(beta < 0 for beta, _ in wanted)
    seen = {}
    for row in rows:
        if row["cells"] == "1":
            mean = float(row["value"]) if row["value"] else None
            seen[float(row["beta"]), float(row["eta"])] = (mean, int(row["n"]))
    assert seen.keys() == wanted.keys()
    for place, (mean, n) in wanted.items():
        assert seen[place][1] == n
        assert seen[place][0] == (None if mean is None else pytest.approx(mean, abs=1e-9))


def test_html_stands_alone_and_asks_for_nothing(client: Any) -> None:
    page = client.get(f"/download/losses.html?sweep={SWEEP}&scheme=dark").text
    assert "Plotly.newPlot" in page
    assert 'src="http' not in page


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/download/map.doc", 404, "must end in one of png"),
        ("/download/mop.csv", 404, "Did you mean 'map'"),
        ("/download/map.csv?sweep=none", 404, "none"),
        ("/download/map.csv?split=train2", 400, "must be validation or test"),
        ("/download/map.csv?metric=%3Cb%3E", 404, "<b>"),
        ("/download/map.svg?width=x", 400, "must be numbers"),
        ("/download/map.svg?width=999999", 404, "50 to 5000"),
        ("/download/map.html?scheme=pink", 400, "scheme"),
        ("/download/best.doc", 404, "given as yaml"),
        (f"/download/best.yaml?sweep={SWEEP}&rule=luck", 400, "luck"),
        ("/api/v1/sweeps/none", 404, "none"),
        ("/api/v1/sweeps/' OR 1=1 --", 404, "OR 1=1"),
        (f"/api/v1/sweeps/{SWEEP}/secrets", 404, "secrets"),
        (f"/api/v1/sweeps/{SWEEP}/cells?loss=nope", 404, "nope"),
        (f"/api/v1/sweeps/{SWEEP}/cells?limit=-1", 404, "whole number"),
        (f"/api/v1/sweeps/{SWEEP}/curves", 404, "the key of one cell"),
    ],
)
def test_a_bad_address_is_one_line(client: Any, path: str, status: int, words: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype) == (status, "text/plain")
    assert words in answer.text
    assert len(answer.text.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("ending", "start"),
    [("yaml", "results:"), ("json", "{"), ("csv", "sweep,"), ("toml", "["), ("tex", "\\begin{")],
)
def test_best_cells_in_every_format_of_the_command_line(
    client: Any, ending: str, start: str
) -> None:
    answer = client.get(f"/download/best.{ending}?sweep={SWEEP}&loss=sigmoid_f1")
    assert answer.status_code == 200
    assert start in answer.text
    assert "sigmoid" in answer.text


def test_the_report_is_downloaded_whole(client: Any) -> None:
    answer = client.get(f"/download/report.html?sweep={SWEEP}")
    assert answer.status_code == 200
    assert answer.text.rstrip().endswith("</html>")


def test_the_api_speaks_as_the_command_line(client: Any, store_url: str) -> None:
    from sweeps.reading import sweep_details, sweep_rows

    assert client.get("/api/v1/sweeps").json == sweep_rows(store_url)
    told = client.get(f"/api/v1/sweeps/{SWEEP}").json
    assert told == json.loads(json.dumps(sweep_details(store_url, SWEEP)))
    paths = client.get("/api/v1").json["paths"]
    for path in paths:
        if path.endswith((*WITHOUT_DATA, "curves")):
            continue
        answer = client.get(path.replace("NAME", SWEEP))
        assert answer.status_code == 200, (path, answer.text)
        assert answer.json == json.loads(answer.text, parse_constant=_refuse), path


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def test_rows_come_in_pages(client: Any, source: Source) -> None:
    path = f"/api/v1/sweeps/{SWEEP}/replicates"
    first = client.get(f"{path}?limit=3").json
    second = client.get(f"{path}?limit=3&offset=3").json
    assert first["total"] == len(source.replicates(SWEEP))
    ids = [row["replicate_id"] for row in first["rows"] + second["rows"]]
    assert len(ids) == len(set(ids)) == 6
    key = client.get(f"/api/v1/sweeps/{SWEEP}/cells?limit=1").json["rows"][0]["key"]
    curves = client.get(f"/api/v1/sweeps/{SWEEP}/curves?cell={key}").json
    assert {"epoch", "seed", "name", "value"} <= set(curves["rows"][0])


def test_points_of_a_figure_become_rows() -> None:
    figure = go.Figure()
    figure.add_bar(name="a", x=["p", "q"], y=[1.0, 2.0], error_y={"array": [0.1, 0.2]})
    figure.add_heatmap(x=["u", "v"], y=[0, 1], z=np.array([[1.0, 2.0], [3.0, np.nan]]))
    figure.update_layout(yaxis_title="height")
    table = traces_table(figure)
    assert list(table["panel"]) == ["height"] * 6
    bars = table[table["series"] == "a"]
    assert list(bars["y"]) == [1.0, 2.0]
    assert list(bars["error_y_down"]) == [0.1, 0.2]
    cells = table[table["series"].isna()]
    assert [*cells["z"]][:3] == [1.0, 2.0, 3.0]
    assert [*cells["x"]] == ["u", "v", "u", "v"]


def test_without_a_browser_a_picture_is_refused_in_one_line(monkeypatch: Any) -> None:
    monkeypatch.setenv("BROWSER_PATH", "/nonexistent/chrome")
    drawing = Drawing(lambda scheme: go.Figure(), lambda: None, None)  # type: ignore[arg-type, return-value]
    with pytest.raises(BrowserMissingError, match="none was found"):
        render(drawing, "png")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_pictures_are_drawn_and_written_by_the_command(
    source: Source, store_url: str, tmp_path: Path
) -> None:
    drawing = draw(source, "map", View(sweep=SWEEP, loss="sigmoid_f1"))
    small = Size(width=500, height=400, scale=1.0)
    png = render(drawing, "png", size=small)
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20]) == 500
    assert render(drawing, "svg", size=small).lstrip().startswith(b"<svg")
    output = tmp_path / "fig3.pdf"
    command = [sys.executable, "-m", "sweeps.cli.main", "figure", "map", "--loss", "sigmoid_f1"]
    rest = ["--sweep", SWEEP, "-o", str(output), "--store", store_url]
    subprocess.run([*command, *rest], check=True)
    assert output.read_bytes().startswith(b"%PDF")
