"""Time the dashboard in a real browser: first paint, the threshold slider, page changes, viewers.

A made-up sweep of sigmoidF1 on a β–η grid with five seeds, in SQLite, is served by waitress in a
process of its own and visited by a headless Chromium. Times are what a reader waits: from the
request to the map's first paint (in a browser that no debugger watches, its cache empty or filled
by two visits before), from a key on the slider to the redrawn map, from a click in the navigation
to the next page (both with Playwright). Then so many viewers poll and redraw at once while a writer
in a process of its own records packs, and the server's largest memory is read.

    python benchmarks/dashboard.py [--cells 50000] [--viewers 20] [--folder DIR]

With --cells 200000 the sweep has a million replicates. The store takes about 5 KB a replicate and
is kept in --folder for another run. Run it on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import undisturbed_browser
from made_up_store import N_SEEDS, PACK_SIZE, fill, result, sweep

from storage.records import CellRecord
from storage.store import Store

SWEEP = "benchmark"
WRITTEN = "written-meanwhile"
RUNS = 5
FLAGS = ["--no-sandbox", "--headless", "--disable-gpu", "--no-first-run"]
PAINTED = "main .js-plotly-plot .heatmaplayer image"
# What is asked of 50,000 cells; a million replicates may take three seconds.
LIMITS = {
    "first paint, cold cache": 1.0,
    "first paint, warm cache": 0.5,
    "slider redraw": 0.15,
    "page change": 1.0,
}


def grid(n: int) -> list[CellRecord]:
    """A β–η grid of about four slopes to five offsets."""
    n_beta = max(1, round(math.sqrt(0.8 * n)))
    n_eta = -(-n // n_beta)
    found = []
    for k in range(n):
        beta, eta = 1 + 29 * (k // n_eta) / max(1, n_beta - 1), -1 + 3 * (k % n_eta) / (n_eta - 1)
        varied = {"beta": round(beta, 6), "eta": round(eta, 6)}
        found.append(
            CellRecord(
                key=hashlib.sha256(f"{beta} {eta}".encode()).hexdigest(),
                loss="sigmoid_f1",
                hyperparameters={**varied, "input": "logits", "reduction": "per_class"},
                training={"epochs": 60, "batch_size": 256, "lr": 1e-3, "optimizer": "adam"},
                head={"kind": "linear"},
                ordinal=k,
                parameters=varied,
            )
        )
    return found


def make_store(folder: Path, n_cells: int) -> str:
    """The store's URL; it is filled unless it was before."""
    url = f"sqlite:///{folder}/dashboard-{n_cells}.db"
    if not (folder / f"dashboard-{n_cells}.done").exists():
        whole = n_cells * N_SEEDS // PACK_SIZE * PACK_SIZE
        fill(url, SWEEP, n_cells, n_done=whole, planned=grid(n_cells))
        (folder / f"dashboard-{n_cells}.done").touch()
    return url


@contextmanager
def served(url: str) -> Iterator[tuple[str, int]]:
    """Serve the store from a process of its own; its address and process id."""
    code = (
        "import sys; from dashboards.serve import serve\n"
        "serve(sys.argv[1], port=0, on_ready=lambda address: print(address, flush=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.terminate()
        process.wait(10)


def memory_mib(pid: int) -> float:
    """The largest memory that a process has had, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return math.nan


def first_paints(
    playwright: Any, chromium: str, base: str
) -> tuple[float, list[float], list[float]]:
    """Seconds to the map's first paint: of the very first visit, cache cold, cache warm.

    A browser keeps compiled scripts from the second visit on: warm is from the third.
    """
    address = f"{base}/map?sweep={SWEEP}"
    first, cold, warm = math.nan, [], []
    for run in range(RUNS + 1):
        with undisturbed_browser.browser(playwright, chromium, PAINTED) as browser:
            seconds = browser.visit(address)
            if run == 0:
                first = seconds
                continue
            cold.append(seconds)
            browser.visit(address)
            warm.append(browser.visit(address))
    return first, cold, warm


def _painted(page: Any, base: str) -> float:
    page.goto("about:blank")
    started = time.perf_counter()
    page.goto(f"{base}/map?sweep={SWEEP}", wait_until="commit")
    page.wait_for_selector(PAINTED, state="attached")
    return time.perf_counter() - started


_REDRAW = """() => new Promise((resolve) => {
  const image = () => document.querySelector('.heatmaplayer image').getAttribute('href')
    || document.querySelector('.heatmaplayer image').getAttributeNS(
      'http://www.w3.org/1999/xlink', 'href');
  const before = image();
  const started = performance.now();
  const look = () => image() !== before
    ? resolve(performance.now() - started) : requestAnimationFrame(look);
  document.querySelector('#map-threshold [role=slider]').dispatchEvent(
    new KeyboardEvent('keydown', { key: 'ArrowLeft', bubbles: true }));
  requestAnimationFrame(look);
})"""


def slider(browser: Any, base: str) -> tuple[list[float], list[str]]:
    """Seconds from a key on the threshold slider to the redrawn map, each at a new threshold.

    Also what the browser asked the server for meanwhile, for `viewers` to ask again.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.post_data or ""))
    _painted(page, base)
    page.locator("#map-threshold [role=slider]").focus()
    page.wait_for_timeout(500)
    found = []
    for _ in range(12):
        found.append(page.evaluate(_REDRAW) / 1000)
        page.wait_for_timeout(120)
    context.close()
    return found, [body for body in asked if "map-graph.figure" in body or "catalog.data" in body]


def page_changes(browser: Any, base: str) -> dict[str, float]:
    """Seconds from a click in the navigation to the heading or figure of the next page."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    _painted(page, base)
    found = {}
    for name, ready in (("About", "main h1"), ("Sweeps", ".cards article"), ("Map", PAINTED)):
        started = time.perf_counter()
        page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
        page.wait_for_selector(ready, state="attached")
        found[name] = time.perf_counter() - started
        page.wait_for_timeout(300)
    context.close()
    return found


def viewers(url: str, base: str, bodies: list[str], count: int, seconds: float) -> dict[str, float]:
    """Let viewers ask for pages, redraw the map and follow the store while a writer records packs.

    Args:
        url: of the store.
        base: address of the served app.
        bodies: what a browser asks for when the slider moves and when the page looks for news.
        count: how many ask at once.
        seconds: for how long.
    """
    callback = f"{base}/_dash-update-component"
    waits: list[float] = []
    errors: list[str] = []

    def ask(address: str, body: str | None) -> None:
        request = urllib.request.Request(  # noqa: S310  # our own server, by http
            address,
            data=None if body is None else body.encode(),
            headers={"Content-Type": "application/json"},
        )
        started = time.perf_counter()
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                answer.read()
        except OSError as error:
            errors.append(str(error))
        waits.append(time.perf_counter() - started)

    def view(number: int) -> None:
        while time.monotonic() < stop:
            for path in (f"/map?sweep={SWEEP}", f"/map?sweep={WRITTEN}", "/"):
                ask(base + path, None)
            for k in range(3):
                ask(callback, bodies[(number + k) % len(bodies)])
                time.sleep(0.3)

    threads = [threading.Thread(target=view, args=(number,)) for number in range(count)]
    code = f"import dashboard; dashboard.write({url!r}, {seconds!r})"
    here = Path(__file__).parent
    writer = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=here
    )
    assert writer.stdout is not None
    writer.stdout.readline()  # its sweep is there
    stop = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    commits = json.loads(writer.communicate()[0])
    return {
        "viewers": count,
        "errors": len(errors),
        "answer_median_s": statistics.median(waits),
        "answer_slowest_s": max(waits),
        "pack_median_s": statistics.median(commits) if commits else math.nan,
        "pack_slowest_s": max(commits, default=math.nan),
    }


def write(url: str, seconds: float) -> None:
    """Record packs for so long, and print what each took as JSON."""
    stop, commits = time.monotonic() + seconds, []
    with Store.open(url) as store:
        if WRITTEN in store.sweep_names():
            store.delete_sweep(WRITTEN)
        sweep_id = store.put_sweep(sweep(WRITTEN))
        store.plan(sweep_id, grid(2000), range(N_SEEDS))
        waiting = [each.replicate_id for each in store.open_replicates(sweep_id)]
        made = result(range(PACK_SIZE), 0)
        print("planned", flush=True)
        while time.monotonic() < stop and waiting:
            ids, waiting = waiting[:PACK_SIZE], waiting[PACK_SIZE:]
            started = time.perf_counter()
            claimed = store.claim(ids, "benchmark", 120.0)
            if claimed:
                store.record_pack(sweep_id, made(claimed), "benchmark")
            commits.append(time.perf_counter() - started)
            time.sleep(0.25)
    print(json.dumps(commits))


def main() -> None:
    """Measure and print a table and, as a last line, JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=50_000)
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long viewers look")
    parser.add_argument("--folder", type=Path, help="where the store is kept")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="dashboard-benchmark-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        measured = measure(make_store(folder, options.cells), options)
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{options.cells:,} cells x {N_SEEDS} seeds = {options.cells * N_SEEDS:,} replicates")
    for name, value in measured.items():
        limit = LIMITS.get(name)
        wanted = "" if limit is None else f"   (asked: under {limit:g} s)"
        print(f"  {name:<34} {value:>9.3f}{wanted}")
    print(json.dumps(measured))


def measure(url: str, options: argparse.Namespace) -> dict[str, float]:
    """Every number, in seconds unless it says otherwise."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with served(url) as (base, pid), sync_playwright() as playwright:
        first, cold, warm = first_paints(playwright, chromium or "chromium", base)
        found = {"first visit to a fresh server": first}
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        redraws, bodies = slider(browser, base)
        found["first paint, cold cache"] = statistics.median(cold)
        found["first paint, warm cache"] = statistics.median(warm)
        found["slider redraw"] = statistics.median(redraws)
        found["slider redraw, slowest"] = max(redraws)
        changes = page_changes(browser, base)
        found["page change"] = max(changes.values())
        found |= {f"page change, {name}": value for name, value in changes.items()}
        found["memory before viewers, MiB"] = memory_mib(pid)
        found |= viewers(url, base, bodies, options.viewers, options.seconds)
        found["memory, MiB"] = memory_mib(pid)
        browser.close()
    return found


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
