"""The entry point on every shape of sweep: a right answer, or a sentence that says why not."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from sweeps.errors import SweepError
from sweeps.sensitivity.analysis import analyse
from sweeps.sensitivity.analysis_data import KeptScores, Question, ThresholdCurves, Unavailable
from sweeps.sensitivity.f_measure import maximise_f_measure
from sweeps.sensitivity.losses import LossEntry, compare_losses
from sweeps.sensitivity.seed_table import seed_table
from sweeps.sensitivity.words import in_words

QUESTION = Question(
    sweep="s", loss="sigmoid_f1", metric="micro_f1", split="validation", threshold=0.5
)


def frames(betas, etas, value, seeds=5):
    """Frames of a grid; ``value(beta, eta, seed)`` is a number, NaN, or a state."""
    settings = list(itertools.product(betas, etas))
    cells = pd.DataFrame(
        {
            "cell_id": np.arange(len(settings)) + 100,
            "ordinal": np.arange(len(settings)),
            "loss": "sigmoid_f1",
            "param_beta": [float(b) for b, _ in settings],
            "param_eta": [float(e) for _, e in settings],
            "param_reduction": "per_class",
        }
    )
    rows = []
    for cell_id, (beta, eta) in zip(cells["cell_id"], settings, strict=True):
        for seed in range(seeds):
            found = value(beta, eta, seed)
            if found is None:
                continue
            text = isinstance(found, str)
            rows.append((cell_id, "sigmoid_f1", seed, found if text else "complete",
                         np.nan if text else found, 0.2, 0.5))  # fmt: skip
    columns = [
        "cell_id",
        "loss",
        "seed",
        "state",
        "objective",
        "predicted_positive_rate",
        "train_loss",
    ]
    return cells, pd.DataFrame(rows, columns=columns)


def smooth(beta, eta, seed):
    noise = np.random.default_rng([int(beta) + 50, int(10 * eta) + 50, seed]).standard_normal()
    return 0.4 - 0.02 * (eta - 0.5) ** 2 + 0.001 * beta + 0.004 * noise + 0.003 * seed


def without_cell(beta, eta, seed):
    return None if (beta, eta) == (2, 1) else smooth(beta, eta, seed)


def without_seed(beta, eta, seed):
    return "failed" if (beta, eta, seed) == (2, 1, 3) else smooth(beta, eta, seed)


SHAPES = {
    "1 × 1": ([1], [0], smooth, 5),
    "1 × n": ([1], [-1, 0, 1, 2], smooth, 5),
    "n × 1": ([-5, 1, 2], [0], smooth, 5),
    "one seed": ([1, 2, 3], [0, 1], smooth, 1),
    "two seeds": ([1, 2, 3], [0, 1], smooth, 2),
    "negative β, η = 0": ([-10, -1, 1], [-1, 0, 1], smooth, 5),
    "all equal": ([1, 2, 3], [0, 1], lambda *_: 0.5, 5),
    "all NaN": ([1, 2, 3], [0, 1], lambda *_: np.nan, 5),
    "all diverged": ([1, 2, 3], [0, 1], lambda *_: "diverged", 5),
    "all waiting": ([1, 2, 3], [0, 1], lambda *_: "waiting", 5),
    "nothing planned": ([1, 2], [0, 1], lambda *_: None, 3),
    "zeros": ([1, 2, 3], [0, 1], lambda *_: 0.0, 3),
    "ones and zeros": ([1, 2, 3], [0, 1], lambda b, e, s: float((b + e + s) % 2), 4),
    "a missing cell": ([1, 2, 3, 4], [0, 1, 2], without_cell, 5),
    "a missing seed": ([1, 2, 3, 4], [0, 1, 2], without_seed, 5),
    "half run": ([1, 2, 3], [0, 1], lambda b, e, s: "running" if b == 3 else smooth(b, e, s), 5),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gets_an_answer_or_a_reason(shape):
    cells, replicates = frames(*SHAPES[shape])
    found = analyse(
        cells, replicates, question=QUESTION, positive_rate=0.2, baselines={"predict_all": 0.33}
    )
    plain = found.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == json.loads(json.dumps(plain))
    for topic, text in in_words(found).items():
        assert text.endswith("."), topic
        assert "nan" not in text.lower().split(), topic
        assert "None" not in text, topic
    for part in (
        found.anova, found.main_effects, found.tied, found.probability, found.optimism,
        found.optimism_tuned, found.rules, found.seeds,
    ):  # fmt: skip
        assert not isinstance(part, Unavailable) or len(part.reason) > 10
    assert len(found.cells["mean"]) == len(cells)


def reason(shape, part):
    cells, replicates = frames(*SHAPES[shape])
    found = getattr(analyse(cells, replicates, question=QUESTION), part)
    return found.reason if isinstance(found, Unavailable) else found


def test_reasons_say_what_is_missing():
    assert "no parameter varies" in reason("1 × 1", "anova")
    assert "one seed" in reason("one seed", "tied")
    assert "one seed" in reason("one seed", "optimism")
    assert "all values are equal" in reason("all equal", "anova")
    assert "lacks a seed" in reason("all NaN", "anova")
    assert "no finished cell" in reason("all waiting", "tied")
    assert "at one threshold only" in reason("n × 1", "threshold")
    assert "Saltelli" in reason("n × 1", "sobol")


def test_one_row_or_column_is_analysed():
    table = reason("1 × n", "anova")
    assert [effect.name for effect in table.effects] == ["eta", "seed", "residual"]
    table = reason("n × 1", "anova")
    assert [effect.name for effect in table.effects] == ["beta", "seed", "residual"]


def test_one_seed_still_has_means_and_a_best_cell():
    cells, replicates = frames(*SHAPES["one seed"])
    found = analyse(cells, replicates, question=QUESTION)
    assert found.row("mean") == int(np.argmax(found.cells["mean"]))
    assert found.row("lower-bound") is None
    assert set(found.cells["no_interval"]) == {"one seed: no spread to estimate an interval from"}


def test_a_failed_seed_keeps_a_cell_from_the_comparison_and_is_counted():
    cells, replicates = frames(*SHAPES["a missing seed"])
    found = analyse(cells, replicates, question=QUESTION)
    assert found.compared["left_out"] == {"lacking a seed": 1}
    assert found.counts["failed"] == 1
    assert found.anova.n_cells == 11
    assert not found.anova.balanced


def test_order_of_rows_changes_nothing():
    cells, replicates = frames([-2, 1, 3, 5], [0, 0.5, 1], smooth)
    one = analyse(cells, replicates, question=QUESTION).to_dict()
    two = analyse(
        cells.sample(frac=1, random_state=1),
        replicates.sample(frac=1, random_state=2),
        question=QUESTION,
    ).to_dict()
    assert json.dumps(one) == json.dumps(two)


def test_collapsed_cells_are_set_apart():
    cells, replicates = frames([1, 2, 3, 4], [0, 1, 2], smooth)
    dead = replicates["cell_id"] >= 110
    replicates.loc[dead, "predicted_positive_rate"] = 1.0
    found = analyse(cells, replicates, question=QUESTION, positive_rate=0.2)
    assert found.set_apart["predicts_all"] == 2
    assert found.anova.n_cells == 10
    assert found.compared["left_out"].get("collapsed and below the best", 0) >= 1
    replicates.loc[dead, "objective"] += 0.2
    found = analyse(cells, replicates, question=QUESTION, positive_rate=0.2)
    assert found.choice_values[0]["flags"] == ["predicts_all"]
    assert "predicts all" in in_words(found)["best"]
    assert found.choice_values[2]["flags"] == []


def test_saturation_and_gradients_are_told_or_said_to_be_missing():
    cells, replicates = frames([1, 2, 3, 4], [0, 1, 2], smooth)
    assert (
        "were not recorded" in in_words(analyse(cells, replicates, question=QUESTION))["training"]
    )
    dead = replicates["cell_id"] >= 110
    replicates["predicted_positive_rate"] = np.where(dead, 1.0, 0.2)
    replicates["saturation"] = np.where(dead, 0.999, 0.25)
    replicates["gradient_norm_start"] = np.where(dead, 1e-9, 0.5)
    replicates["gradient_norm_end"] = 0.01 * (1 + replicates["seed"])
    found = analyse(cells, replicates, question=QUESTION, positive_rate=0.2)
    assert found.cells["diagnostic_saturation"][0] == pytest.approx(0.25)
    assert found.cells["diagnostic_gradient_norm_end"] == pytest.approx(np.full(12, 0.03))
    words = in_words(found)["training"]
    assert "25.0% in the best cell, 25.0% to 99.9% over the cells" in words
    assert "first batch: 0.5 in the best cell, 1e-09 to 0.5" in words
    assert "Of the 2 collapsed cells, 2 begin with a gradient below 1%" in words
    # A loss without collapsed cells has nothing to say of vanishing gradients.
    replicates["predicted_positive_rate"] = 0.2
    found = analyse(cells, replicates, question=QUESTION, positive_rate=0.2)
    assert "collapsed" not in in_words(found)["training"]


def test_simple_effects_are_said_in_words():
    cells, replicates = frames([1, 2, 3], [0, 1], lambda b, e, s: smooth(b, e, s) + 0.05 * b * e)
    words = in_words(analyse(cells, replicates, question=QUESTION))["simple"]
    assert "β matters at 1 of 2 levels of η; most at η = 1" in words
    assert "3 is best" in words
    assert "Holm" in words


def test_pruned_replicates_have_no_value_and_are_counted():
    def value(beta, eta, seed):
        return "pruned" if beta == 3 else smooth(beta, eta, seed)

    cells, replicates = frames([1, 2, 3], [0, 1], value)
    cells["status"] = np.where(cells["param_beta"] == 3, "pruned", None)
    found = analyse(cells, replicates, question=QUESTION)
    assert found.counts["pruned"] == 10
    assert found.set_apart["stopped"] == {"pruned": 2}
    assert found.compared["left_out"] == {"pruned": 2}
    assert found.anova.n_cells == 4
    words = in_words(found)
    assert "10 pruned" in words["cells"]
    assert "2 pruned after fewer epochs" in words["cells"]
    json.dumps(found.to_dict(), allow_nan=False)


def test_lower_is_better_and_another_split():
    cells, replicates = frames([1, 2, 3], [0, 1], lambda b, e, s: 1 - smooth(b, e, s))
    question = Question(
        sweep="s", loss="sigmoid_f1", metric="hamming_loss", split="test", threshold=0.5,
        higher_is_better=False,
    )  # fmt: skip
    found = analyse(cells, replicates, question=question)
    assert found.row() == int(np.argmin(found.cells["mean"]))
    assert found.choice_values[1]["mean"] < found.cells["bound"][found.row("lower-bound")]
    assert "made on validation" in in_words(found)["best"]


def test_unbounded_metrics_get_plain_intervals():
    cells, replicates = frames([1, 2], [0, 1], lambda b, e, s: 10 * smooth(b, e, s))
    found = analyse(cells, replicates, question=QUESTION)
    assert found.intervals["own"].startswith("t, ")
    assert np.isfinite(found.cells["low"]).all()


def test_scattered_cells_get_importances_instead():
    rng = np.random.default_rng(0)
    cells, replicates = frames(range(1, 13), [0], smooth)
    cells["param_eta"] = rng.random(12)
    found = analyse(cells, replicates, question=QUESTION)
    assert "no grid" in found.anova.reason or "share" in found.anova.reason
    assert {entry.evaluator for entry in found.importance} == {"ped-anova", "fanova"}
    assert "estimate" in in_words(found)["variance"]
    assert "no neighbours" in found.choices[2].reason


def test_curves_and_kept_scores_fill_their_parts():
    cells, replicates = frames([1, 5], [0, 1, 2], smooth, 3)
    table = seed_table(cells, replicates)
    thresholds = np.array([0.1, 0.5, 0.9])
    layers = np.stack([table.values - 0.05, table.values, table.values + 0.01])
    rng = np.random.default_rng(0)
    targets = {split: (rng.random((80, 3)) < 0.3).astype(np.uint8) for split in ("v", "t")}
    unsure = 1.0 * (np.arange(80) < 5)[:, None]  # these get no label by F-measure maximisation
    probs = {
        split: {
            cell: np.clip(0.3 * y + 0.7 * rng.random((3, 80, 3)) - unsure, 0, 1).astype(np.float32)
            for cell in (100, 103)
        }
        for split, y in targets.items()
    }
    found = analyse(
        cells, replicates, question=QUESTION, positive_rate=0.3,
        curves=ThresholdCurves(thresholds, layers, layers - 0.1),
        kept=KeptScores(probs["v"], targets["v"], probs["t"], targets["t"]),
    )  # fmt: skip
    assert found.threshold.regret_validation == pytest.approx(np.full(6, 0.01))
    assert found.threshold.regret_test == pytest.approx(np.full(6, 0.01))
    assert set(found.kept) == {100, 103}
    assert found.kept[100].intervals["test"].over == "examples"
    assert len(found.kept[100].against_best) + len(found.kept[103].against_best) == 2
    assert len(found.kept[103].threshold_rules) == 6
    for cell, scores in probs["t"].items():
        sets = maximise_f_measure(scores)
        some = sets.any(-1)
        assert not some.all()
        lowest = np.where(sets, scores, 1.0).min(-1)
        rule = found.kept[cell].threshold_rules[-1]
        own = [row[known].mean() for row, known in zip(lowest, some, strict=True)]
        assert (rule.rule, rule.thresholds.tolist()) == ("f_measure", pytest.approx(own))
        if cell == found.rules.cell_id:
            (line,) = [line for line in found.rules.lines if line.rule == "f_measure"]
            assert line.threshold == pytest.approx(lowest[some].mean())
    assert found.optimism.over == "examples"
    json.dumps(found.to_dict(), allow_nan=False)


def test_wrong_shapes_and_unknown_losses_are_refused():
    cells, replicates = frames([1, 2], [0, 1], smooth)
    with pytest.raises(SweepError, match="Align it with seed_table"):
        analyse(cells, replicates, question=QUESTION, predicted_rate=np.ones((4, 2)))
    other = Question(sweep="s", loss="bce", metric="f", split="validation", threshold=None)
    with pytest.raises(SweepError, match="Known losses: sigmoid_f1"):
        analyse(cells, replicates, question=other)


def test_losses_are_chosen_on_validation_and_read_on_test():
    cells, replicates = frames([1, 2, 3], [0, 1], smooth)
    validation = seed_table(cells, replicates)
    test = seed_table(cells, replicates.assign(objective=1 - replicates["objective"]))
    one = validation.take(np.array([0]))
    found = compare_losses(
        {
            "sigmoid_f1": LossEntry(validation, test),
            "bce": LossEntry(
                one, test.take(np.array([0])),
                ThresholdCurves(np.array([0.1, 0.5]), np.stack([one.values + 0.1, one.values]),
                                np.full((2, 1, 5), 0.3) + 0.01 * np.arange(5)),
            ),
        },
        baselines={"predict_all": 0.5},
    )  # fmt: skip
    row = int(np.argmax(validation.means))
    assert found.chosen["sigmoid_f1"]["test"] == pytest.approx(test.means[row])
    assert found.chosen["bce"]["tuned"]["threshold"] == 0.1
    assert found.chosen["bce"]["tuned"]["test"] == pytest.approx(0.32)
    assert found.paired["sigmoid_f1", "bce"].difference == pytest.approx(
        test.means[row] - test.means[0]
    )
    assert set(found.against["sigmoid_f1"]) == {"predict_all", "bce, threshold tuned"}
    assert len(found.expected_best["sigmoid_f1"]) == 6
    assert any("bce has one cell" in warning for warning in found.warnings)
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_statistics_load_neither_torch_nor_ray_nor_matplotlib():
    code = (
        "import sys, sweeps.sensitivity.reading_losses, sweeps.sensitivity.words\n"
        "loaded = {'torch', 'ray', 'matplotlib', 'SALib', 'sigmoidf1'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(loaded)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
