"""Streams of frames: bit for bit the windows of the whole video, in constant memory."""

from __future__ import annotations

import pytest
import torch

from phasenet import PhaseStream, phase_difference_windows
from phasenet.stream import KeptFrames, KeptPlanes, StreamWindow


def frames_of(shape, dtype=torch.float32):
    if dtype == torch.uint8:
        return torch.randint(0, 256, shape, dtype=dtype)
    return torch.rand(shape, dtype=torch.float64).to(dtype)


def streamed(stream: PhaseStream, frames: torch.Tensor) -> list[StreamWindow]:
    windows = []
    for frame in frames.unbind(-3):
        windows += stream.push(frame)
    return windows + stream.flush()


def assert_equal_to_the_whole_video(frames, num_phase, **options):
    whole = phase_difference_windows(frames, num_phase, **options)
    windows = streamed(PhaseStream(num_phase, **options), frames)
    assert [window.index for window in windows] == list(range(whole[0].shape[-4]))
    for level, expected in enumerate(whole):
        for window in windows:
            got = window.levels[level]
            assert got.dtype == expected.dtype
            assert torch.equal(got, expected[..., window.index, :, :, :])


@pytest.fixture(params=["planes", "frames"])
def kept(request, monkeypatch):
    """Both ways to keep a stream's past; devices without stream operators use the second."""
    if request.param == "frames":
        monkeypatch.setattr(KeptPlanes, "serves", staticmethod(lambda device: False))
    return {"planes": KeptPlanes, "frames": KeptFrames}[request.param]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8, torch.bfloat16])
@pytest.mark.parametrize("unwrap", ["full", "published"])
@pytest.mark.parametrize("boundary", ["replicate", "valid"])
def test_equals_the_whole_video(boundary, unwrap, dtype, kept):
    frames = frames_of((17, 19, 22), dtype)
    assert_equal_to_the_whole_video(frames, 4, boundary=boundary, unwrap=unwrap)


@pytest.mark.parametrize("boundary", ["replicate", "valid"])
@pytest.mark.parametrize("num_phase", [1, 2, 3, 7, 12])
def test_windows_of_any_length(num_phase, boundary, kept):
    assert_equal_to_the_whole_video(frames_of((15, 21, 17)), num_phase, boundary=boundary)


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_videos_shorter_than_a_window(length, kept):
    assert_equal_to_the_whole_video(frames_of((length, 16, 18)), 12)
    stream = PhaseStream(12, boundary="valid")
    assert streamed(stream, frames_of((length, 16, 18))) == []


@pytest.mark.parametrize("transform", ["cosine", "fourier"])
@pytest.mark.parametrize("shape", [(40, 48, 48), (6, 131, 97)])
def test_either_transform_and_more_frames_than_a_block(shape, transform, monkeypatch):
    monkeypatch.setenv("PHASENET_TRANSFORM", transform)
    assert_equal_to_the_whole_video(frames_of(shape), 4)
    assert_equal_to_the_whole_video(frames_of(shape, torch.float64), 3, boundary="valid")


def test_options_and_batches(kept):
    options = {"height": 5, "nbands": 3, "levels": (3, 1)}
    assert_equal_to_the_whole_video(frames_of((2, 3, 9, 20, 24)), 4, **options)
    assert_equal_to_the_whole_video(frames_of((2, 9, 20, 24)), 4, dtype=torch.float16)
    assert_equal_to_the_whole_video(frames_of((0, 5, 20, 24)), 2)
    strided = frames_of((9, 24, 20)).transpose(-1, -2)
    assert_equal_to_the_whole_video(strided, 4)


def test_the_processor_keeps_planes():
    assert KeptPlanes.serves(torch.device("cpu"))


def test_meta_frames_give_shapes(kept):
    windows = streamed(PhaseStream(2), torch.empty(4, 16, 18, device="meta"))
    assert [window.levels[1].shape for window in windows] == [(4, 8, 9)] * 4


def test_windows_come_as_soon_as_their_last_frame(kept):
    for boundary, delay in (("replicate", 3), ("valid", 5)):
        stream = PhaseStream(5, boundary=boundary)
        assert stream.delay == delay
        for t, frame in enumerate(frames_of((12, 16, 16)).unbind()):
            assert [window.index for window in stream.push(frame)] == [t - delay] * (t >= delay)


def test_windows_are_not_written_to_later(kept):
    stream = PhaseStream(2)
    frames = frames_of((9, 16, 16))
    whole = phase_difference_windows(frames, 2)[0]
    windows = streamed(stream, frames)
    assert all(torch.equal(window.levels[0], whole[window.index]) for window in windows)


def test_a_frame_may_be_reused_by_its_owner(kept):
    frames = frames_of((9, 16, 16))
    stream, buffer, windows = PhaseStream(2), torch.empty(16, 16), []
    for frame in frames:
        windows += stream.push(buffer.copy_(frame))
    whole = phase_difference_windows(frames, 2)[0]
    assert all(torch.equal(window.levels[0], whole[window.index]) for window in windows)


def test_flush_and_reset_begin_a_new_video(kept):
    stream = PhaseStream(4)
    first, second = frames_of((7, 16, 16)), frames_of((6, 20, 18), torch.float64)
    streamed(stream, first)
    for window in streamed(stream, second):
        assert torch.equal(window.levels[1], phase_difference_windows(second, 4)[1][window.index])
    stream.push(first[0])
    stream.reset()
    assert len(streamed(stream, second)) == 6
    assert stream.flush() == []


def test_memory_is_constant():
    stream = PhaseStream(3)
    sizes = set()
    for frame in frames_of((20, 16, 16)):
        stream.push(frame)
        sizes.add(sum(part.nbytes for part in stream._state._state))
    assert len(sizes) == 1


def test_nothing_is_recorded_for_gradients(kept):
    frames = frames_of((4, 16, 16)).requires_grad_()
    windows = streamed(PhaseStream(2), frames)
    assert not any(level.requires_grad for window in windows for level in window.levels)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"num_phase": 0}, ValueError, "num_phase: expected at least 1, got 0"),
        ({"levels": (3,)}, ValueError, "levels: expected distinct levels"),
        ({"unwrap": "no"}, ValueError, "unwrap: expected 'full' or 'published'"),
        ({"boundary": "no"}, ValueError, "boundary: expected 'replicate' or 'valid'"),
        ({"dtype": torch.int32}, TypeError, "dtype: expected torch.float16"),
    ],
)
def test_options_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        PhaseStream(**options)


@pytest.mark.parametrize(
    ("frame", "error", "words"),
    [
        (torch.rand(16), ValueError, r"frame: expected shape \[..., H, W\], got \[16\]"),
        ([1], TypeError, "frame: expected a torch.Tensor"),
        (torch.rand(3, 16), ValueError, "height: expected at most 3 for frame"),
        (torch.zeros(16, 16, dtype=torch.int32), TypeError, "frame: expected dtype"),
    ],
)
def test_first_frames_are_refused(frame, error, words):
    with pytest.raises(error, match=words):
        PhaseStream().push(frame)


@pytest.mark.parametrize(
    ("frame", "error", "words"),
    [
        (torch.rand(16, 17), ValueError, r"frame: expected shape \[16, 16\] as the first frame"),
        (torch.rand(16, 16).double(), ValueError, "frame: expected torch.float32 as the first"),
        (None, TypeError, "frame: expected a torch.Tensor, got NoneType"),
    ],
)
def test_other_frames_are_refused_and_change_nothing(frame, error, words):
    stream, frames = PhaseStream(2), frames_of((5, 16, 16))
    stream.push(frames[0])
    with pytest.raises(error, match=words):
        stream.push(frame)
    windows = streamed(stream, frames[1:])
    assert torch.equal(windows[-1].levels[0], phase_difference_windows(frames, 2)[0][4])


def test_the_operator_checks_its_state():
    """What it is called with directly may be anything; nothing is written outside the state."""
    push = torch.ops.phasenet.phase_stream_push
    frames, options = torch.rand(2, 16, 20), (2, 4, 2, (1, 2))
    given = torch.ops.phasenet.phase_stream_state(frames, *options)

    def refused(state):
        with pytest.raises(RuntimeError, match="state: expected what phase_stream_state gave"):
            push(frames, state, 1, *options, "full", "valid")

    refused(given[:3])
    refused([*given[:-1], given[-1].double()])
    refused([*given[:-1], given[-1][:, :, :2]])
    refused([given[0], given[0], *given[2:]])  # the same memory twice
    bands, most = 3 * 2, 16 * 2 + 1  # frames kept times bands; 16 columns in each of a plane's rows
    for part, values in [
        (5, 2**40), (5, -1), (5, most), (4, 0x7F), (4, 0xFF),
    ]:  # fmt: skip
        state = [x.clone() for x in given]
        state[part][1].fill_(values)  # of the second video
        if part == 4:
            state[5][1, bands - 1] = 1  # one wrap, and it lies where the bytes say
        refused(state)
        assert torch.equal(state[0], given[0])
    for t in (-1, 2**48, 2**61, 2**63 - 1):
        with pytest.raises(RuntimeError, match="t: expected at least 0 and less than"):
            push(frames, given, t, *options, "full", "valid")
    push(frames, given, 2**48 - 1, *options, "full", "valid")


def test_windows_that_no_memory_holds_are_refused():
    stream = PhaseStream(65536)
    with pytest.raises(
        ValueError, match=r"num_phase: expected windows with num_phase=65536 .* GiB"
    ) as raised:
        stream.push(torch.rand(480, 640))
    assert "\n" not in str(raised.value)
    assert not stream.push(torch.rand(8, 8, device="meta"))  # takes none; and the stream goes on
