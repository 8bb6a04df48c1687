"""Any call of a public function gives finite numbers of the promised shape, or names what is wrong.

500 calls in a normal run; 12,000 under the marker ``nightly`` (`make nightly`).
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, Phase, event, given, settings
from support import fuzz, fuzz_values

NORMAL, NIGHTLY = 500, 12_000
SETTINGS = {
    "deadline": None,  # a hang is ended by pytest-timeout
    "database": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


def made_dense(x: torch.Tensor) -> torch.Tensor:
    """A copy whose elements lie in memory in order."""
    if x.layout != torch.strided:
        return x
    return x.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)


def check(call: fuzz_values.Call) -> None:
    try:
        result = call.run()
    except (TypeError, ValueError) as refusal:
        event(f"{call.name.split('(')[0]}: refused")
        message = str(refusal)
        assert "\n" not in message
        assert any(message.startswith(name) for name in call.names), message
        return
    event(f"{call.name.split('(')[0]}: answered")
    outputs = fuzz_values.tensors_in(result)
    for output in outputs:
        assert bool(torch.isfinite(output).all())
    if "reference" in call.name:
        return
    if not call.has_meta:
        dense = fuzz_values.tensors_in(call.run(made_dense))
        assert all(map(torch.equal, outputs, dense))
        return
    # The fake kernels say the same shapes and dtypes without looking at the numbers, and the layout
    # in memory changes nothing.
    shapes = fuzz_values.tensors_in(call.run(lambda x: x.to("meta")))
    dense = fuzz_values.tensors_in(call.run(made_dense))
    for output, shape, same in zip(outputs, shapes, dense, strict=True):
        assert (output.shape, output.dtype) == (shape.shape, shape.dtype)
        assert torch.equal(output, same)


@pytest.mark.slow
def test_every_public_name_is_called():
    """A new one needs a strategy in `tests/support/fuzz.py`."""
    called: set[str] = set()
    wanted = fuzz.public_names()
    assert {"phase_difference", "PyramidCoeffs.to", "viz.tile", "reference.phase_difference"} <= (
        wanted
    )

    for strategy in fuzz.STRATEGIES:

        @settings(max_examples=120, phases=[Phase.generate], derandomize=True, **SETTINGS)
        @given(call=strategy)
        def draw(call):
            called.update(call.covers)

        draw()
    assert wanted - called == set(), "public, and never called"
    assert called - wanted == set(), "called, and not public"


@settings(max_examples=NORMAL, **SETTINGS)
@given(call=fuzz.calls)
def test_any_call(call):
    check(call)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@settings(max_examples=NIGHTLY, **SETTINGS)
@given(call=fuzz.calls)
def test_any_call_many_times(call):
    check(call)
