"""What predictions are worth: cross-validation, evaluation, submissions."""

from mimamo.evaluate.cross_validation import CrossvalResult, crossval, join
from mimamo.evaluate.ensemble import Ensemble
from mimamo.evaluate.evaluation import EvaluationResult, evaluate_runs
from mimamo.evaluate.scores import Interval, Score, VideoScore, bootstrap, rescale
from mimamo.evaluate.submission import SubmitResult, submit

__all__ = [
    "CrossvalResult",
    "Ensemble",
    "EvaluationResult",
    "Interval",
    "Score",
    "SubmitResult",
    "VideoScore",
    "bootstrap",
    "crossval",
    "evaluate_runs",
    "join",
    "rescale",
    "submit",
]
