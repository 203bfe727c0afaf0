import json

import numpy as np
import pytest

from sigmoidf1.datasets import load_dataset
from sigmoidf1.datasets.statistics import dataset_statistics, show_dataset


@pytest.fixture
def path(tmp_path):
    rng = np.random.default_rng(0)
    y = (rng.random((200, 4)) < [0.5, 0.3, 0.2, 0.1]).astype(np.uint8)
    y[0] = 0
    np.savez(tmp_path / "x.npz", X=rng.normal(size=(200, 3)), Y=y, labels=np.array(list("abcd")))
    return str(tmp_path / "x.npz")


def test_statistics_by_hand(path):
    dataset = load_dataset({"dataset": "features", "path": path})
    y = dataset.targets.astype(int)
    found = json.loads(json.dumps(dataset_statistics(dataset), allow_nan=False))
    assert (found["n_examples"], found["n_classes"]) == (200, 4)
    assert found["cardinality"] == pytest.approx(y.sum() / 200)
    assert found["density"] == pytest.approx(y.mean())
    assert found["n_unlabelled"] == (y.sum(axis=1) == 0).sum()
    assert found["labels_per_example"]["max"] == y.sum(axis=1).max()
    assert found["labels_per_example"]["min"] == 0
    assert sum(found["labels_per_example"]["counts"]) == 200
    assert found["n_label_sets"] == len({tuple(row) for row in y})
    counts = {entry["label"]: entry["examples"] for entry in found["classes"]}
    assert counts == dict(zip("abcd", y.sum(axis=0).tolist(), strict=True))
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    assert found["rarest"][0] == "d"
    ratios = y.sum(axis=0).max() / y.sum(axis=0)
    assert found["imbalance"] == pytest.approx({"mean": ratios.mean(), "max": ratios.max()})
    top = found["co_occurrence"][0]
    first, second = ("abcd".index(label) for label in top["labels"])
    both = (y[:, first] & y[:, second]).sum()
    assert top["examples"] == both == max(p["examples"] for p in found["co_occurrence"])
    assert top["jaccard"] == pytest.approx(both / (y[:, first] | y[:, second]).sum())
    for name, part in found["splits"].items():
        rows = y[dataset.split == name]
        assert part["examples"] == len(rows)
        assert part["labels_per_example"] == pytest.approx(rows.sum() / len(rows))
    assert all(sum(e["splits"].values()) == e["examples"] for e in found["classes"])


def test_one_class_has_no_pairs(tmp_path):
    np.savez(tmp_path / "x.npz", X=np.ones((20, 2)), Y=np.ones((20, 1)))
    found = show_dataset({"dataset": "features", "path": str(tmp_path / "x.npz")})
    assert found["co_occurrence"] == []
    assert found["imbalance"] == {"mean": 1.0, "max": 1.0}
