"""Phase-based motion features for PyTorch.

`SteerablePyramid` is the complex steerable pyramid with an exact inverse. `phase_difference` and
`phase_difference_windows` turn grey frames into temporal phase differences; `PhaseStream` does so
as frames come. `band_phase`, `denoised_phase` and `local_motion` give phases themselves, and the
motion in pixels that they measure; `vibration` is the motion of a whole surface, `magnify_motion`
shows it, `cw_ssim` compares pictures. They call the operators ``torch.ops.phasenet.*``, compiled
from C++; `phasenet.reference` has the transforms in plain PyTorch.
"""

from phasenet import _extension

_extension.load()

from phasenet import reference  # noqa: E402
from phasenet._extension import build_info  # noqa: E402
from phasenet.band_phase import band_phase  # noqa: E402
from phasenet.coefficients import PyramidCoeffs  # noqa: E402
from phasenet.cw_ssim import cw_ssim, cw_ssim_loss  # noqa: E402
from phasenet.denoised_phase import denoised_phase  # noqa: E402
from phasenet.filters import Filter  # noqa: E402
from phasenet.local_motion import local_motion  # noqa: E402
from phasenet.magnification import MotionMagnifier, magnify_frames, magnify_motion  # noqa: E402
from phasenet.phase import phase_difference, phase_difference_windows  # noqa: E402
from phasenet.pyramid import SteerablePyramid  # noqa: E402
from phasenet.steering import steer  # noqa: E402
from phasenet.stream import PhaseStream, StreamWindow  # noqa: E402
from phasenet.turn_phase import turn_phase  # noqa: E402
from phasenet.vibration import Peak, Vibration, vibration  # noqa: E402

__version__ = "0.1.0"

__all__ = [
    "Filter",
    "MotionMagnifier",
    "Peak",
    "PhaseStream",
    "PyramidCoeffs",
    "SteerablePyramid",
    "StreamWindow",
    "Vibration",
    "__version__",
    "band_phase",
    "build_info",
    "cw_ssim",
    "cw_ssim_loss",
    "denoised_phase",
    "local_motion",
    "magnify_frames",
    "magnify_motion",
    "phase_difference",
    "phase_difference_windows",
    "reference",
    "steer",
    "turn_phase",
    "vibration",
]
