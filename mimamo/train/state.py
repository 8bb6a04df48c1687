"""All that training has to remember to go on bit for bit: one file, whole or absent."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from mimamo.errors import InputError
from mimamo.files import MOST_WEIGHTS
from mimamo.settings import is_real
from mimamo.tensor_file import MOST_HEADER, load_note, load_tensors, named_under, save_tensors

STATE_KEY = "mimamo_training"
_USELESS = "cannot be resumed from: {}"
_MODEL, _OPTIMIZER = "model.", "optimizer."


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: from 1.
        learning_rate: during the epoch.
        loss: mean over its batches of -(CCC valence + CCC arousal), with augmentation and dropout.
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


def save_state(path: Path, model: nn.Module, optimizer: Optimizer, training: TrainingState) -> None:
    """Write weights, the optimiser's momenta and the state. Raises InputError if it cannot."""
    tensors = {_MODEL + name: value for name, value in model.state_dict().items()}
    for number, values in optimizer.state_dict()["state"].items():
        momentum = values.get("momentum_buffer")
        if momentum is not None:
            tensors[f"{_OPTIMIZER}{number}"] = momentum
    save_tensors(path, tensors, STATE_KEY, asdict(training))


def is_unfinished(path: Path) -> bool:
    """Whether a state is there, and says that its training is to go on."""
    return not load_note(path, STATE_KEY).get("finished", True)


def read_state(path: Path, weights: int = MOST_WEIGHTS) -> tuple[dict[str, Tensor], TrainingState]:
    """What `save_state` wrote of a network of at most so many bytes.

    Raises InputError, naming the file, if it is damaged, or larger than such a state can be.
    """
    known = [entry.name for entry in fields(TrainingState)]
    most = 2 * weights + MOST_HEADER  # each weight has at most one momentum
    tensors, content = load_tensors(path, STATE_KEY, known, _USELESS, most)
    try:
        content["epochs"] = [Epoch(**epoch) for epoch in content["epochs"]]
        training = TrainingState(**content)
        if not _can_be(training):
            raise ValueError("its epochs are none")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: {_USELESS.format(error)}") from error
    return tensors, training


def load_state(path: Path, model: nn.Module, optimizer: Optimizer) -> TrainingState:
    """Load what `save_state` wrote into `model` and `optimizer`.

    Raises InputError, naming the file, if it is damaged or of another model.
    """
    weights = sum(x.numel() * x.element_size() for x in model.state_dict().values())
    tensors, training = read_state(path, weights)
    parameters = [own for group in optimizer.param_groups for own in group["params"]]
    momenta = named_under(_OPTIMIZER, tensors)
    try:
        for number, value in momenta.items():
            if value.shape != parameters[int(number)].shape:
                raise ValueError(f"optimizer.{number} is of another shape")
        model.load_state_dict(named_under(_MODEL, tensors))
    except (IndexError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: {_USELESS.format(str(error).splitlines()[0])}") from error
    state = optimizer.state_dict()
    state["state"] = {int(n): {"momentum_buffer": value} for n, value in momenta.items()}
    optimizer.load_state_dict(state)
    return training


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
