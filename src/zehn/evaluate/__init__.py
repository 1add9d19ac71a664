"""Score a model by docs/measures.md: both protocols, reconstruction, baselines, the comparison of distances.

Everything returned here is plain JSON (``dict``, ``list``, ``str``, ``int``, ``float``, ``bool``, ``None``; never NaN
or infinity). The schemas, which figures and report read::

    Interval   = {"mean": float, "low": float, "high": float}          95 % bootstrap interval over queries (or images)

    Scores     = {"P@1": Interval | None, "P@5": …, "P@10": …, "P@50": …, "P@100": …, "mAP@1000": …, "MAP@R": …,
                  "hit@10": …, "20-NN accuracy": …,                    each None where there are no labels
                  "ms_per_query": float | None}                        None for random order and where it is not timed

    evaluation = evaluate(model, dataset) =
        {"model":   {"name": str, "fingerprint": str, "architecture": str, "n_components": int, "n_parameters": int},
         "dataset": {"name": str, "n_train": int, "n_test": int, "n_classes": int | None},
         "distance": str,
         "protocols": {"main": Scores, "literature": Scores},
         "reconstruction": {"mse": Interval, "psnr": Interval, "ssim": Interval, "channel_accuracy": Interval},
         "baselines": {"random order": Scores, "raw pixels": Scores, "PCA-10": Scores + {"mse": Interval},
                       "colour histogram": Scores, "untrained encoder": Scores} | None,
                       main protocol; None without labels or where not asked for; "PCA-10" is named after the number of
                       components that the model has; no untrained encoder where PyTorch is not installed
         "classes": [{"label": int, "name": str, "n_queries": int,      main protocol; classes that have queries
                      "P@10": Interval, "mAP@1000": Interval, "20-NN accuracy": Interval | None}] | None,
         "codes":   {"n_codes": int, "n_components": int, "dead": [int],    of the test images; dead dimensions from 0
                     "participation_ratio": Interval, "rankme": Interval,   effective dimension, 0 (collapsed), 1 … d
                     "uniformity": Interval | None,                     log E exp(−2 |u − v|²), standardised codes
                     "hubness": {"n_images": int, "k": 10,              test images among each other
                                 "skewness": Interval, "orphans": Interval, "largest": int} | None},
                                                                        of how often each is found; share never found
         "label_free": {"n_queries": int, "n_database": int,
                        "distortions": {name: {"recall@1": Interval, "alignment": Interval | None}},
                                                                        "none", then from weak to strong; alignment 0 …,
                                                                        2 between strangers, None where all codes agree
                        "verdict": "collapsed" | "dead dimensions" | "narrow" | "fine" | "too few images",
                        "explanation": str},
         "seconds": float}

    comparison = compare_distances(codes, labels, query_ids, database_ids, …) =
        {"scores":  {distance: Scores},                                 in the order asked for
         "paired":  [{"a": distance, "b": distance, "measure": "P@10" | "mAP@1000" | "MAP@R",
                      "difference": Interval (a − b), "p_value": float}],   every pair; [] without labels
         "overlap": {a: {b: float}},                                    share of a's ten nearest that b finds too, 0 … 1
         "recommendation": str}                                         recommend(comparison)

    of models  = compare_codes(first, second, labels, query_ids, …) =
        {"paired":  [{"measure": "P@10" | "mAP@1000" | "MAP@R",
                      "difference": Interval (second − first), "p_value": float}],      [] without labels
         "overlap": float}                                              share of ten nearest that both find, 0 … 1

    robust     = compare_robustness(old, new, dataset, …) =
        {"models":  {"old": {"name": str, "fingerprint": str, "architecture": str, "n_components": int}, "new": …},
         "dataset": {"name": str, "n_train": int, "n_test": int},
         "distance": str, "n_queries": int, "n_database": int,
         "clean":   {"old": {"P@10": Interval | None, "psnr": Interval}, "new": …,   P@10: None without labels
                     "paired": [{"measure": "P@10" | "psnr", "difference": Interval (new − old), "p_value": float}],
                     "overlap": float},                                 share of ten nearest that both find, 0 … 1
         "distortions": [{"kind": "gaussian_noise" | "perspective" | a corruption, "strength": float,
                          "seen": bool,                                 σ, strength or severity; False for corruptions
                          "old": {"P@10": Interval | None,              the clean original excluded
                                  "P@10 kept": Interval | None,         mean P@10 ÷ mean clean P@10; None also where
                                                                        that is 0
                                  "recall@1": Interval, "recall@10": Interval,       of the clean original
                                  "overlap": Interval,                  share of the clean query's ten hits that are
                                                                        among the distorted one's, original excluded
                                  "psnr": Interval},                    decoded from the distorted, against the clean
                          "new": …,
                          "paired": [{"measure": each of those that both have, "difference": Interval (new − old),
                                      "p_value": float}]}],             noise, perspective, then corruptions
         "unseen":  {"severity": 3, "old": Interval | None, "new": Interval | None,   mean P@10 kept over corruptions
                     "paired": {"difference": Interval (new − old), "p_value": float} | None}
                    | None,                                             without labels, or without severity 3
         "queries": [{"id": int, "label": int | None, "class_name": str | None, "kind": str, "strength": float,
                      "old": [hit], "new": [hit]}],                     hits as below, the clean original among them;
                                                                        shown_queries(dataset, robust) makes the images
         "explanation": str,                                            a paragraph written from the figures
         "seconds": float}

    hits(…)    = [[{"id": int, "rank": int (from 1), "distance": float, "label": int | None, "match": bool | None}]]
                                                                        one list per query, nearest first
"""

from zehn.evaluate.advice import recommend
from zehn.evaluate.comparison import compare_codes, compare_distances
from zehn.evaluate.distortions import Questions
from zehn.evaluate.evaluation import evaluate
from zehn.evaluate.robustness import compare_robustness
from zehn.evaluate.scores import hits, score
from zehn.evaluate.shown import shown_queries
from zehn.measures.names import MEASURES

__all__ = [
    "MEASURES",
    "Questions",
    "compare_codes",
    "compare_distances",
    "compare_robustness",
    "evaluate",
    "hits",
    "recommend",
    "score",
    "shown_queries",
]
