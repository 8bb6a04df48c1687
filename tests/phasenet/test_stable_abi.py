"""The sources use nothing of torch that torch 2.10 lacks, whichever torch compiles them here.

torch's headers hide later functions of the stable ABI from what is built for torch 2.10, but not
macros, nor functions that only call the dispatcher: those compile here and not with torch 2.10.
`make torch-check` compiles with torch 2.10 itself, and then runs this file there too.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

SOURCES = Path(__file__).parents[2] / "csrc"
INCLUDE = Path(torch.__file__).parent / "include"
SUFFIXES = {".cpp", ".h", ".inl", ".cu", ".cuh"}

# What torch 2.10 has, as far as it is used.
OFFERED = {
    # Headers.
    "torch/csrc/inductor/aoti_torch/c/shim.h",
    "torch/csrc/stable/accelerator.h",
    "torch/csrc/stable/library.h",
    "torch/csrc/stable/ops.h",
    "torch/csrc/stable/tensor.h",
    "torch/headeronly/core/ScalarType.h",
    "torch/headeronly/util/BFloat16.h",
    "torch/headeronly/util/Half.h",
    "torch/headeronly/util/complex.h",
    "torch/headeronly/util/shim_utils.h",
    # Macros.
    "STABLE_TORCH_LIBRARY",
    "STABLE_TORCH_LIBRARY_IMPL",
    "STD_TORCH_CHECK",
    "TORCH_ABI_VERSION",
    "TORCH_BOX",
    "TORCH_ERROR_CODE_CHECK",
    "TORCH_SUCCESS",
    # The C interface.
    "AOTITorchError",
    "AtenTensorHandle",
    "StableIValue",
    "aoti_torch_device_type_cpu",
    "aoti_torch_dtype_element_size",
    "aoti_torch_get_current_cuda_stream",
    "aoti_torch_layout_strided",
    "torch_call_dispatcher",
    # Scalars, tensors and functions.
    "c10::BFloat16",
    "c10::Half",
    "c10::complex",
    "torch::headeronly::BFloat16",
    "torch::headeronly::Half",
    "torch::headeronly::ScalarType",
    "torch::stable::Tensor",
    "torch::stable::accelerator::DeviceGuard",
    "torch::stable::contiguous",
    "torch::stable::copy_",
    "torch::stable::detail::from",
    "torch::stable::detail::to",
    "torch::stable::empty",
    "torch::stable::get_num_threads",
    "torch::stable::narrow",
    "torch::stable::new_empty",
    "torch::stable::new_zeros",
    "torch::stable::parallel_for",
    "torch::stable::reshape",
    "torch::stable::to",
}
# Of torch 2.13: declared weak, so null where it is missing, and not called then.
EXCEPTIONS = {
    ("common/failures.h", "torch_exception_get_what_without_backtrace"),
}

USES = re.compile(
    r"(?<=<)(?:ATen|c10|torch)/[\w/.]+(?=>)"  # headers
    r"|\b(?:at|c10|torch)(?:::\w+)+"
    r"|\b(?:AOTI|AT|C10|STABLE|STD|THO|TORCH)_[A-Z0-9_]+"
    r"|\b(?:aoti_)?torch_\w+"
    r"|\b(?:AOTI|Aten|Stable)[A-Z]\w+"
    # Functions and members that came later, which a tensor argument finds without a namespace.
    r"|\b(?:bitwise_(?:and|or|left_shift|right_shift)|floor_divide|from_blob|index_select)\b"
    r"|\b(?:is_pinned|permute)\b|(?<=[.>])(?:has_storage|layout)\b"
)


def uses(text: str) -> set[str]:
    """What a source names of torch, outside of comments."""
    return set(USES.findall(re.sub(r"//.*", "", text)))


def test_the_sources_use_what_torch_2_10_has():
    files = [path for path in SOURCES.rglob("*") if path.suffix in SUFFIXES]
    assert len(files) > 50
    later = {
        (path.relative_to(SOURCES).as_posix(), name)
        for path in files
        for name in uses(path.read_text()) - OFFERED
    }
    assert later == EXCEPTIONS, "if torch 2.10 has it, add it to OFFERED"


def test_this_torch_has_what_is_listed():
    """With torch 2.10 this proves the list."""
    files = [
        path
        for folder in ("csrc/inductor/aoti_torch/c", "csrc/stable", "headeronly")
        for path in (INCLUDE / "torch" / folder).rglob("*.h")
    ]
    words = {word for path in files for word in re.findall(r"\w+", path.read_text())}
    words |= {path.relative_to(INCLUDE).as_posix() for path in files}
    assert {name for name in OFFERED if name.split("::")[-1] not in words} == set()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("STABLE_TORCH_ERROR_CODE_CHECK(status);", "STABLE_TORCH_ERROR_CODE_CHECK"),
        ("auto x = torch::stable::from_blob(data, sizes);", "torch::stable::from_blob"),
        ("torch_from_blob(data, 1, sizes);", "torch_from_blob"),
        ("Tensor y = permute(x, {1, 0});", "permute"),
        ("if (x.layout() == strided) {", "layout"),
        ("#include <torch/csrc/stable/generator.h>", "torch/csrc/stable/generator.h"),
        ("#include <ATen/ATen.h>", "ATen/ATen.h"),
    ],
)
def test_what_came_later_is_noticed(line, name):
    assert uses(line) - OFFERED == {name}
    assert uses(f"  // {line}") == set()
