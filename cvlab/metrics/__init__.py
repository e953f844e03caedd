"""How well does a method do, one module a task, from ``recognition`` to ``images``.

All functions are also names of this package: ``from cvlab import metrics; metrics.roc_auc(...)``.
Each is exact, needs NumPy only, and is compared with independent implementations by the tests.
"""

from cvlab.metrics.depth import DepthErrors, bad_pixels, depth_errors, end_point_error
from cvlab.metrics.detection import (
    DetectionCurve,
    Detections,
    DetectionScores,
    Matches,
    Truths,
    detection_ap,
    match_detections,
)
from cvlab.metrics.generation import frechet_distance
from cvlab.metrics.images import psnr, ssim, ssim_map
from cvlab.metrics.pose import pck
from cvlab.metrics.recognition import (
    Curve,
    Rates,
    accuracy,
    auc,
    average_precision,
    binary_rates,
    confusion_matrix,
    precision_recall_curve,
    roc_auc,
    roc_curve,
)
from cvlab.metrics.retrieval import cmc, ndcg, retrieval_map, tar_at_far
from cvlab.metrics.segmentation import (
    PanopticScores,
    SegmentationScores,
    boundary_f,
    panoptic_quality,
    pixel_confusion,
    segmentation_scores,
)

__all__ = [
    "Curve",
    "DepthErrors",
    "DetectionCurve",
    "DetectionScores",
    "Detections",
    "Matches",
    "PanopticScores",
    "Rates",
    "SegmentationScores",
    "Truths",
    "accuracy",
    "auc",
    "average_precision",
    "bad_pixels",
    "binary_rates",
    "boundary_f",
    "cmc",
    "confusion_matrix",
    "depth_errors",
    "detection_ap",
    "end_point_error",
    "frechet_distance",
    "match_detections",
    "ndcg",
    "panoptic_quality",
    "pck",
    "pixel_confusion",
    "precision_recall_curve",
    "psnr",
    "retrieval_map",
    "roc_auc",
    "roc_curve",
    "segmentation_scores",
    "ssim",
    "ssim_map",
    "tar_at_far",
]
