"""Videos and options on which the phase operators of a backend are checked."""

from __future__ import annotations

# Frame size, frames, num_phase, height, nbands, levels: products with cosines up to 64, FFT above.
CASES = {
    "mimamo": ((48, 48), 15, 12, 4, 2, (1, 2)),
    "three bands": ((20, 30), 6, 4, 4, 3, (1, 2)),
    "odd, levels swapped": ((17, 23), 5, 3, 4, 4, (2, 1)),
    "tiny": ((8, 8), 4, 2, 3, 2, (1,)),
    "narrow": ((4, 31), 4, 1, 3, 2, (1,)),
    "by FFT, odd": ((35, 70), 4, 2, 4, 2, (1, 2)),
    "by FFT, four bands": ((66, 80), 3, 2, 5, 4, (1, 3)),
}
