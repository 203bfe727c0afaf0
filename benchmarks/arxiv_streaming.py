"""Peak memory and time of reading a million arXiv records: python benchmarks/arxiv_streaming.py.

Writes a snapshot in the published form (about 1.9 GB for a million records) to a temporary
folder, and loads it in a fresh process for each case: the paper's year among all years, a
seeded subset of it, and the hardest, a snapshot in which every record is of that year.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT_MIB = 500
GROUPS = ("cs", "math", "physics", "astro-ph", "cond-mat", "stat", "eess", "q-bio")
CATEGORIES = [f"{group}.{chr(65 + i)}{chr(65 + i // 3)}" for group in GROUPS for i in range(21)]
WORDS = [f"word{number}" for number in range(2000)]
CHILD = """
import json, resource, sys, time, warnings
warnings.simplefilter("ignore")
from sigmoidf1.datasets import load_dataset
started = time.perf_counter()
dataset = load_dataset(json.loads(sys.argv[1]))
print(json.dumps({
    "examples": len(dataset.ids), "classes": len(dataset.labels),
    "duration_s": round(time.perf_counter() - started, 1),
    "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
}))
"""


def write_snapshot(path: Path, records: int, *, years: tuple[int, ...]) -> None:
    """Write records in the form of arxiv-metadata-oai-snapshot.json."""
    draw = random.Random(0)  # noqa: S311
    weights = [1 / (rank + 1) for rank in range(len(CATEGORIES))]
    with path.open("w", encoding="utf-8") as file:
        for number in range(records):
            year = draw.choice(years)
            names = draw.choices(CATEGORIES, weights, k=draw.choice((1, 1, 2, 2, 3)))
            record = {
                "id": f"{year % 100:02d}01.{number:06d}",
                "submitter": "A. Name",
                "authors": "A. Name, B. Name and C. Name",
                "title": f"Paper {number}",
                "comments": "12 pages",
                "journal-ref": None,
                "doi": None,
                "report-no": None,
                "categories": " ".join(dict.fromkeys(names)),
                "license": None,
                "abstract": f"  Abstract {number}: " + " ".join(draw.choices(WORDS, k=150)) + "\n",
                "versions": [{"version": "v1", "created": f"Mon, 6 Jan {year} 19:18:42 GMT"}],
                "update_date": f"{year}-11-26",
                "authors_parsed": [["Name", "A.", ""]],
            }
            file.write(json.dumps(record, separators=(",", ":")) + "\n")


def measure(root: Path, **options: object) -> dict[str, float]:
    """Load the snapshot in a process of its own."""
    given = {"dataset": "arxiv2020", "root": str(root), **options}
    command = [sys.executable, "-c", CHILD, json.dumps(given)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Measure every case and print one line each; exit status 1 if one needs too much memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    records = parser.parse_args().records
    worst = 0.0
    for case, years, options in (
        ("a year among 16", tuple(range(2008, 2024)), {"min_examples": records // 1000}),
        ("26,558 of that year", tuple(range(2008, 2024)), {"limit": 26_558, "min_examples": 10}),
        ("all of one year", (2020,), {}),
    ):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "arxiv-metadata-oai-snapshot.json"
            write_snapshot(path, records, years=years)
            result = measure(Path(folder), **options)
            size = path.stat().st_size
        worst = max(worst, result["peak_mib"])
        print(
            f"{case}: {records:,} records ({size / 1e9:.1f} GB) -> {result['examples']:,} "
            f"examples, {result['classes']} classes, {result['duration_s']} s, "
            f"peak {result['peak_mib']} MiB"
        )
    if worst > LIMIT_MIB:
        sys.exit(f"peak memory must be below {LIMIT_MIB} MiB, but was {worst}")


if __name__ == "__main__":
    main()
