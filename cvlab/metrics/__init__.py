"""How well does a method do, one module a task: ``recognition`` and ``detection``.

All functions are also names of this package: ``from cvlab import metrics; metrics.roc_auc(...)``.
Each is exact, needs NumPy only, and is compared with independent implementations by the tests.
"""

from cvlab.metrics.detection import (
    DetectionCurve,
    Detections,
    DetectionScores,
    Matches,
    Truths,
    detection_ap,
    match_detections,
)
from cvlab.metrics.recognition import (
    Curve,
    Rates,
    accuracy,
    auc,
    average_precision,
    binary_rates,
    confusion_matrix,
    precision_recall_curve,
    psnr,
    roc_auc,
    roc_curve,
)

__all__ = [
    "Curve",
    "DetectionCurve",
    "DetectionScores",
    "Detections",
    "Matches",
    "Rates",
    "Truths",
    "accuracy",
    "auc",
    "average_precision",
    "binary_rates",
    "confusion_matrix",
    "detection_ap",
    "match_detections",
    "precision_recall_curve",
    "psnr",
    "roc_auc",
    "roc_curve",
]
