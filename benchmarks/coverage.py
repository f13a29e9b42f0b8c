"""How often intervals hold the truth: samples of a known population are drawn again and again, and the share of the 95 % intervals that
hold the value in the whole population is counted, for every metric of classifiers.

A text of class g has logits `strength` at g plus noise; the classifier that is measured gives them times `heat`, so that it is too sure of
itself: log loss has a heavy tail. Numbers are a noisy and skewed copy of the gold ones. The truth is the metric on two million texts; that
of the calibration error is known to differ in the mean from what few texts show (it is biased), which no resampling mends.

    python benchmarks/coverage.py [--trials 1000] [--sizes 50 200 1000] [--resamples 1000]
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
from measure import record

from zhixing.evaluate import significance
from zhixing.metrics import AnyMetric, Rows, classification, probabilities, regression

POPULATION = 2_000_000
SHOWN = 20_000
"""Texts of a large sample that stands for the population where a metric ranks texts, several times over."""


def texts(count: int, shares: list[float], draw: np.random.Generator) -> tuple[Any, Any]:
    """Gold classes [N] and probabilities [N, C]."""
    gold = draw.choice(len(shares), size=count, p=shares)
    logits = draw.normal(size=(count, len(shares)))
    logits[np.arange(count), gold] += 1.9
    heated = np.exp(1.6 * logits)
    return gold, heated / heated.sum(1, keepdims=True)


def labels(shares: list[float]) -> Any:
    def made(count: int, draw: np.random.Generator) -> Rows:
        gold, given = texts(count, shares, draw)
        return classification.rows(gold, given.argmax(1), len(shares))

    return made


def sureness(shares: list[float]) -> Any:
    return lambda count, draw: probabilities.rows(*texts(count, shares, draw))


def numbers(count: int, draw: np.random.Generator) -> Rows:
    gold = draw.gamma(2.0, size=count)
    return regression.rows(gold, gold + draw.normal(size=count) * (0.5 + 0.3 * gold))


EVEN, UNEVEN = [0.5, 0.5], [0.7, 0.2, 0.1]
FAMILIES: dict[str, tuple[tuple[AnyMetric, ...], Any]] = {
    "labels-2": (classification.CLASSIFICATION, labels(EVEN)),
    "labels-3-uneven": (classification.CLASSIFICATION, labels(UNEVEN)),
    "classes-3-uneven": (classification.of_classes("abc"), labels(UNEVEN)),
    "sureness-2": (probabilities.PROBABILITIES, sureness(EVEN)),
    "sureness-3-uneven": (probabilities.PROBABILITIES, sureness(UNEVEN)),
    "numbers": (regression.REGRESSION, numbers),
}


def truth(metric: AnyMetric, made: Any) -> float:
    draw = np.random.default_rng(1)
    if hasattr(metric, "score"):
        return significance.value(metric, made(POPULATION, draw))
    return float(np.mean([significance.value(metric, made(SHOWN, draw)) for _ in range(POPULATION // SHOWN)]))


def covered(family: str, size: int, trials: int, resamples: int) -> dict[str, Any]:
    """For each metric: the share of intervals that hold the truth, of those too low, of those too high, and their mean width."""
    metrics, made = FAMILIES[family]
    true = [truth(metric, made) for metric in metrics]
    counts = np.zeros((len(metrics), 4))
    for trial in range(trials):
        rows = made(size, np.random.default_rng((2, size, trial)))
        found = significance.intervals(metrics, rows, resamples=resamples, seed=trial)
        for i, (estimate, value) in enumerate(zip(found, true, strict=True)):
            counts[i] += [estimate.low <= value <= estimate.high, estimate.high < value, estimate.low > value, estimate.high - estimate.low]
    return {
        metric.name: {
            "true": round(value, 4),
            **{k: round(float(v), 4) for k, v in zip(("covered", "below", "above", "width"), row, strict=True)},
        }
        for metric, value, row in zip(metrics, true, counts / trials, strict=True)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 200, 1000])
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--dry", action="store_true", help="print, and keep no result")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    found: dict[str, Any] = {}
    began = time.perf_counter()
    for size in asked.sizes:
        for family in asked.families:
            found.setdefault(str(size), {})[family] = one = covered(family, size, asked.trials, asked.resamples)
            print(f"{size:>5} {family:<18}" + "  ".join(f"{name} {entry['covered']:.3f}" for name, entry in one.items()), flush=True)
    shares = [
        entry["covered"] for by_family in found.values() for one in by_family.values() for name, entry in one.items() if name != "ece"
    ]
    result = {
        "trials": asked.trials, "resamples": asked.resamples, "seconds": round(time.perf_counter() - began, 1),
        "lowest_but_ece": min(shares), "highest_but_ece": max(shares),
        "within_0.93_0.97": float(np.mean([0.93 <= s <= 0.97 for s in shares])),
        "found": found,
    }  # fmt: skip
    if not asked.dry:
        record("coverage", result)


if __name__ == "__main__":
    main()
