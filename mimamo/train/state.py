"""All that training has to remember to go on bit for bit: one file, whole or absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from mimamo.errors import InputError
from mimamo.files import MOST_WEIGHTS
from mimamo.model.run_files import STATE_KEY
from mimamo.settings import is_real
from mimamo.tensor_file import MOST_HEADER, load_tensors, named_under, save_tensors

_USELESS = "cannot be resumed from: {}"
_MODEL, _OPTIMIZER, _AVERAGE, _POOL = "model.", "optimizer.", "average.", "pool."
_MOMENTUM, _MOMENTS = "momentum_buffer", {"step", "exp_avg", "exp_avg_sq"}  # of SGD, of AdamW

Pool = Sequence[tuple[Tensor, Tensor]]  # of earlier batches: predictions and labels [N, 2]


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: from 1.
        learning_rate: in its last step.
        loss: mean over its steps of -(CCC valence + CCC arousal), with augmentation and dropout.
        valence: CCC on the validation videos, over all annotated frames or utterances.
        arousal: the same.
        is_best: whether no epoch before had as high a score.
    """

    number: int
    learning_rate: float
    loss: float
    valence: float
    arousal: float
    is_best: bool

    @property
    def score(self) -> float:
        """Mean of both CCCs, by which epochs are compared."""
        return (self.valence + self.arousal) / 2


@dataclass
class TrainingState:
    """Where training is.

    Attributes:
        epochs: those that are done.
        losses: of the steps done in the epoch after them.
        finished: whether there is nothing left to do.
        identity: what was trained on, for comparison.
    """

    epochs: list[Epoch] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    finished: bool = False
    identity: dict[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> Epoch | None:
        """The best epoch so far."""
        marked = [epoch for epoch in self.epochs if epoch.is_best]
        return marked[-1] if marked else None


def save_state(
    path: Path,
    model: nn.Module,
    optimizer: Optimizer,
    training: TrainingState,
    average: nn.Module | None = None,
    pool: Pool = (),
) -> None:
    """Write weights and their average, the optimiser's moments, the loss's pool, and the state.

    Raises InputError if it cannot be written.
    """
    tensors = {_MODEL + name: value for name, value in model.state_dict().items()}
    if average is not None:
        tensors |= {_AVERAGE + name: value for name, value in average.state_dict().items()}
    for number, values in optimizer.state_dict()["state"].items():
        for kind, value in values.items():
            if value is not None:
                suffix = "" if kind == _MOMENTUM else f".{kind}"
                tensors[f"{_OPTIMIZER}{number}{suffix}"] = value
    for number, pair in enumerate(pool):
        tensors |= {f"{_POOL}{number}.{side}": value for side, value in enumerate(pair)}
    save_tensors(path, tensors, STATE_KEY, asdict(training))


def read_state(
    path: Path, most: int = 4 * MOST_WEIGHTS + MOST_HEADER
) -> tuple[dict[str, Tensor], TrainingState]:
    """What `save_state` wrote, of at most so many bytes: weights, their moments and average.

    Raises InputError, naming the file, if it is damaged or larger.
    """
    known = [entry.name for entry in fields(TrainingState)]
    tensors, content = load_tensors(path, STATE_KEY, known, _USELESS, most)
    try:
        content["epochs"] = [Epoch(**epoch) for epoch in content["epochs"]]
        training = TrainingState(**content)
        if not _can_be(training):
            raise ValueError("its epochs are none")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: {_USELESS.format(error)}") from error
    return tensors, training


def load_state(
    path: Path,
    model: nn.Module,
    optimizer: Optimizer,
    average: nn.Module | None = None,
    pool: int = 0,
) -> tuple[TrainingState, Pool]:
    """Load what `save_state` wrote into `model`, `optimizer` and `average`; the rest is returned.

    `pool`: how many bytes that of the loss can have at most. Raises InputError, naming the file, if
    it is damaged or of another model or recipe.
    """
    weights = sum(x.numel() * x.element_size() for x in model.state_dict().values())
    moments = 1 if isinstance(optimizer, SGD) else 2
    copies = 1 + moments + (average is not None)
    tensors, training = read_state(path, copies * weights + pool + MOST_HEADER)
    try:
        state = optimizer.state_dict()
        state["state"] = _moments(named_under(_OPTIMIZER, tensors), optimizer)
        earlier = _pool(named_under(_POOL, tensors))
        model.load_state_dict(named_under(_MODEL, tensors))
        if average is not None:
            average.load_state_dict(named_under(_AVERAGE, tensors))
    except (IndexError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: {_USELESS.format(str(error).splitlines()[0])}") from error
    optimizer.load_state_dict(state)
    return training, earlier


def _moments(tensors: dict[str, Tensor], optimizer: Optimizer) -> dict[int, dict[str, Tensor]]:
    """An optimiser's state by parameter. Raises ValueError or IndexError if it is of another."""
    parameters = [own for group in optimizer.param_groups for own in group["params"]]
    expected = {_MOMENTUM} if isinstance(optimizer, SGD) else _MOMENTS
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, _, kind = name.partition(".")
        if value.shape != (() if kind == "step" else parameters[int(number)].shape):
            raise ValueError(f"optimizer.{name} is of another shape")
        state.setdefault(int(number), {})[kind or _MOMENTUM] = value
    if any(own.keys() != expected for own in state.values()):
        raise ValueError("its moments are of another optimiser")
    return state


def _pool(tensors: dict[str, Tensor]) -> Pool:
    """The pairs of a pool. Raises ValueError if they are none."""
    numbers = takewhile(lambda number: f"{number}.0" in tensors, count())
    pairs = [(tensors[f"{n}.0"], tensors.get(f"{n}.1", tensors[f"{n}.0"][:0])) for n in numbers]
    if any(x.shape != y.shape or x.ndim != 2 or x.shape[1] != 2 for x, y in pairs):
        raise ValueError("its pool is none")
    return pairs


def _can_be(training: TrainingState) -> bool:
    """Whether what a file says are the numbers of a training."""
    return (
        isinstance(training.losses, list)
        and all(map(is_real, training.losses))
        and isinstance(training.identity, dict)
        and [epoch.number for epoch in training.epochs] == [*range(1, len(training.epochs) + 1)]
        and all(
            is_real(value)
            for epoch in training.epochs
            for value in (epoch.learning_rate, epoch.loss, epoch.valence, epoch.arousal)
        )
    )
