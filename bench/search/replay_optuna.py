"""Replays Optuna's searches on the surfaces that replay.ts wrote: the same numbers, looked up the same way (surface.ts says how).

    python3 bench/search/replay_optuna.py

Reads .cache/bench-search/surfaces.json, writes .cache/bench-search/optuna-<version>.json beside it. Samplers that the installed version lacks, or whose
requirements are not installed, are left out with a line that says so. What it writes names the surfaces by their SHA-256, so that
evidence.ts takes nothing that was replayed on others.
"""

import hashlib
import json
import math
import multiprocessing
import os
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

try:
    import numpy as np
    import optuna
except ImportError as error:
    print(f"{error}: Optuna's rows are left out (Debian: python3-optuna)", file=sys.stderr)
    sys.exit(0)

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore")

REPLAYS = 200
MOST_TRIALS = 40
# As kernelWidth in surface.ts: octaves.
KERNEL_WIDTH = np.array([1.0, 1.7])
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "bench-search"


class Surface:
    """What drawTraining and regretOf of surface.ts give, over one or two axes."""

    def __init__(self, data):
        self.axes = [np.array(axis) for axis in data["axes"]]
        shape = [len(axis) for axis in self.axes]
        self.ln_loss = np.array(data["lnLoss"]).reshape(shape)
        self.divergence = np.array(data["divergence"]).reshape(shape)
        self.at = np.array([deviation["at"] for deviation in data["deviations"]])
        self.deviation = np.array([deviation["lnLoss"] for deviation in data["deviations"]])
        self.best = data["best"]["loss"]
        self.noise = data["best"]["noise"]

    def interpolate(self, values, place):
        for axis, x in zip(self.axes, place):
            right = min(max(int(np.searchsorted(axis, x)), 1), len(axis) - 1)
            share = (x - axis[right - 1]) / (axis[right] - axis[right - 1])
            values = values[right - 1] * (1 - share) + values[right] * share
        return float(values)

    def regret(self, place):
        """In units of one seed's noise at the best."""
        return (math.exp(self.interpolate(self.ln_loss, place)) - self.best) / self.noise

    def draw(self, place, random):
        """Validation loss of one training, None where it diverges."""
        if random.random() < self.interpolate(self.divergence, place):
            return None
        widths = KERNEL_WIDTH[: len(self.axes)]
        squares = (((self.at - np.array(place)) / widths) ** 2).sum(axis=1)
        weights = np.exp((squares.min() - squares) / 2)
        deviation = random.choice(self.deviation, p=weights / weights.sum())
        return math.exp(self.interpolate(self.ln_loss, place) + deviation)


def samplers():
    """Name: sampler of a seed."""
    known = {
        "TPE": lambda seed: optuna.samplers.TPESampler(seed=seed),
        "TPE, 3 startup trials": lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=3),
    }
    if hasattr(optuna.samplers, "GPSampler"):
        known["GP"] = lambda seed: optuna.samplers.GPSampler(seed=seed)
    return known


def usable():
    """Names of the samplers that work here: the GP needs a PyTorch that is new enough."""
    names = []
    for name, sampler in samplers().items():
        try:
            study = optuna.create_study(sampler=sampler(0))
            study.optimize(lambda trial: trial.suggest_float("x", 0, 1) ** 2, n_trials=12)
            names.append(name)
        except (ImportError, TypeError, AttributeError) as error:
            print(f"Optuna {optuna.__version__}: {name} is left out: {error}", file=sys.stderr)
    return names


def search(surface, sampler, seed, most):
    """Steps [cost, regret of the best observed so far], as in replay.ts."""
    random = np.random.default_rng([seed, 1])
    study = optuna.create_study(sampler=sampler(seed))
    names = ["rate", "decay"]
    steps, best, regret = [], math.inf, None
    for trial_number in range(most):
        trial = study.ask()
        # log=True on the rates themselves is what a user writes; it is uniform in their logarithm.
        values = [
            trial.suggest_float(name, 2 ** axis[0], 2 ** axis[-1], log=True)
            for name, axis in zip(names, surface.axes)
        ]
        place = [min(max(math.log2(v), axis[0]), axis[-1]) for v, axis in zip(values, surface.axes)]
        loss = surface.draw(place, random)
        if loss is None:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, loss)
            if loss < best:
                best, regret = loss, surface.regret(place)
        steps.append([trial_number + 1, regret])
    return steps


def job(arguments):
    data, name, seed, most = arguments
    # PyTorch starts a thread a core by itself; the processes have them all already.
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    return search(Surface(data), samplers()[name], seed, most)


def main():
    text = (CACHE / "surfaces.json").read_bytes()
    every = json.loads(text)
    usable_names = usable()
    replays = []
    with multiprocessing.Pool() as pool:
        for surfaces in every:
            for name in usable_names:
                for space in ["elr", "plain"]:
                    if space not in surfaces:
                        continue
                    started = time.time()
                    jobs = [(surfaces[space], name, seed, MOST_TRIALS) for seed in range(REPLAYS)]
                    runs = pool.map(job, jobs, chunksize=4)
                    method = f"Optuna {optuna.__version__} {name}"
                    shared = {"workload": surfaces["workload"], "epochs": surfaces["epochs"]}
                    replays.append({**shared, "method": method, "space": space, "runs": runs})
                    print(f"{shared}: {method} over {space} in {time.time() - started:.0f} s", file=sys.stderr)
    (CACHE / f"optuna-{optuna.__version__}.json").write_text(
        json.dumps({"surfaces": hashlib.sha256(text).hexdigest(), "replays": replays})
    )


if __name__ == "__main__":
    main()
