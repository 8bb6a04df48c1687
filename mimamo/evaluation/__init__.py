"""What predictions are worth: cross-validation, evaluation, submissions."""

from mimamo.evaluation.crossval import CrossvalResult, crossval, join
from mimamo.evaluation.ensemble import Ensemble
from mimamo.evaluation.evaluate import EvaluationResult, evaluate_runs
from mimamo.evaluation.scores import Interval, Score, VideoScore, bootstrap, rescale
from mimamo.evaluation.submit import SubmitResult, submit

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
