"""What predictions are worth: cross-validation, evaluation, submissions."""

from mimamo.evaluate.cross_validation import CrossvalResult as CrossvalResult
from mimamo.evaluate.cross_validation import crossval as crossval
from mimamo.evaluate.cross_validation import join as join
from mimamo.evaluate.ensemble import Ensemble as Ensemble
from mimamo.evaluate.evaluation import EvaluationResult as EvaluationResult
from mimamo.evaluate.evaluation import evaluate_runs as evaluate_runs
from mimamo.evaluate.rules import Rules as Rules
from mimamo.evaluate.rules import rescale as rescale
from mimamo.evaluate.scores import Interval as Interval
from mimamo.evaluate.scores import Score as Score
from mimamo.evaluate.scores import VideoScore as VideoScore
from mimamo.evaluate.scores import bootstrap as bootstrap
from mimamo.evaluate.submission import SubmitResult as SubmitResult
from mimamo.evaluate.submission import submit as submit
