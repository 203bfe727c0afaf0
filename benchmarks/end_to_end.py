"""A sweep through the service against one Ray Tune trial per replicate.

The same replicates (grid of beta × seeds on ready features) three ways, each a process of its own
from start to end:

  service   sigmoidf1 sweep run: packs, store, Optuna mirror
  default   ray.tune with one trial per replicate, Tune's defaults
  reuse     the same with reuse_actors=True (class trainable)

The two Tune variants train each head with the sequential loop of packed_training.py and report one
number; they store nothing else.

    python benchmarks/end_to_end.py [--replicates 200] [--epochs 60]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

SEEDS = 5
TRAIN, HELD_OUT, DIM, CLASSES = 2400, 800, 384, 20


def write_features(path: Path) -> None:
    """Made-up embeddings of the size of the movie-genre sweep."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(TRAIN + 2 * HELD_OUT, DIM)).astype(np.float32)
    truth = generator.normal(size=(DIM, CLASSES))
    targets = (np.maximum(features, 0) @ truth > 16.0).astype(np.uint8)
    split = ["train"] * TRAIN + ["validation"] * HELD_OUT + ["test"] * HELD_OUT
    np.savez(path, X=features, Y=targets, split=np.array(split))


def run_service(folder: Path, cells: int, epochs: int) -> None:
    """The service's own command on a fresh store."""
    spec = {
        "sweep": "end-to-end",
        "data": {"dataset": "features", "path": str(folder / "features.npz")},
        "training": {"epochs": epochs},
        "seeds": SEEDS,
        "losses": {"sigmoid_f1": {"beta": {"range": [1, 30], "num": cells}}},
    }
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("sigmoidf1")), "sweep", "run"]
    command += [str(folder / "spec.yaml"), "--store", f"sqlite:///{folder}/store.db", "--no-best"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def run_tune(folder: Path, cells: int, epochs: int, *, reuse: bool) -> None:
    """One Ray Tune trial per replicate, in this process."""
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    import ray
    from ray import tune

    arrays = dict(np.load(folder / "features.npz", allow_pickle=False))

    def train(config: dict, data: dict) -> float:
        import torch

        from sigmoidf1.losses import get_loss

        function = get_loss("sigmoid_f1").function
        torch.set_num_threads(1)
        torch.manual_seed(config["seed"])
        x = torch.relu(torch.tensor(data["X"]))
        y = torch.tensor(data["Y"]).float()
        head = torch.nn.Linear(DIM, CLASSES)
        optimiser = torch.optim.Adam(head.parameters(), lr=1e-3, fused=True)
        for _ in range(epochs):
            for rows in torch.randperm(TRAIN).split(256):
                optimiser.zero_grad(set_to_none=True)
                logits = head(x.index_select(0, rows))
                function(logits, y.index_select(0, rows), beta=config["beta"], eta=0.0).backward()
                optimiser.step()
        with torch.no_grad():
            held_out = slice(TRAIN, TRAIN + HELD_OUT)
            predicted = torch.sigmoid(head(x[held_out])) >= 0.5
            tp = (predicted * y[held_out]).sum().item()
        return 2 * tp / (predicted.sum().item() + y[held_out].sum().item())

    class Trial(tune.Trainable):
        def setup(self, config: dict, data: dict | None = None) -> None:
            self.data, self.settings = data, config

        def reset_config(self, new_config: dict) -> bool:
            self.settings = new_config
            return True

        def step(self) -> dict:
            return {"f1": train(self.settings, self.data), "done": True}

        def save_checkpoint(self, checkpoint_dir: str) -> dict:
            return {}

        def load_checkpoint(self, checkpoint: dict) -> None:
            return None

    def function_trial(config: dict, data: dict) -> None:
        tune.report({"f1": train(config, data)})

    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    tune.Tuner(
        tune.with_parameters(Trial if reuse else function_trial, data=arrays),
        param_space={
            "beta": tune.grid_search(np.linspace(1, 30, cells).tolist()),
            "seed": tune.grid_search(list(range(SEEDS))),
        },
        tune_config=tune.TuneConfig(metric="f1", mode="max", reuse_actors=reuse),
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0),
    ).fit()
    ray.shutdown()


def main() -> None:
    """Run one way when told which, else all three and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--only", choices=["default", "reuse"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cells = arguments.replicates // SEEDS
    if arguments.only:
        run_tune(arguments.folder, cells, arguments.epochs, reuse=arguments.only == "reuse")
        return
    seconds = {}
    for way in ("service", "reuse", "default"):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_features(folder / "features.npz")
            started = time.perf_counter()
            if way == "service":
                run_service(folder, cells, arguments.epochs)
            else:
                command = [sys.executable, __file__, "--only", way, "--folder", name]
                command += ["--replicates", str(arguments.replicates)]
                command += ["--epochs", str(arguments.epochs)]
                subprocess.run(command, check=True, capture_output=True)
            seconds[way] = time.perf_counter() - started
        print(
            f"{way:8} {seconds[way]:8.1f} s, {seconds[way] / arguments.replicates:.3f} s/replicate"
        )
    for way in ("reuse", "default"):
        print(f"service is {seconds[way] / seconds['service']:.1f} × as fast as {way}")


if __name__ == "__main__":
    main()
