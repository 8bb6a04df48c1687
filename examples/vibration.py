"""The vibration of a surface, measured in pixels from a video of it.

    python examples/vibration.py            a generated video, compared with how it was made to move
    python examples/vibration.py video.mp4  a video of one's own: amplitude and frequency

Between a frame and the first one, a band's phase changes by its local frequency (radians a pixel)
times the motion along the band's direction (Fleet and Jepson, "Computation of component image
velocity from local phase information", IJCV 1990). Least squares over all pixels, weighted by the
squared amplitude, as in Wadhwa et al., "Phase-based video motion processing", SIGGRAPH 2013, give
one displacement a frame. It has to stay below about two pixels, half a wavelength of level 1.
"""

import math
import sys

import av
import cv2
import numpy as np
import torch

import phasenet


def displacement(frames: torch.Tensor) -> torch.Tensor:
    """Motion along x of a surface, in pixels, against the first of its `frames` [T, H, W]."""
    border = 8  # the pyramid takes the picture as periodic; what comes round the edge is cut off
    bands = phasenet.SteerablePyramid(height=4, nbands=2)(frames).bands[0][:, 0]
    bands = bands[:, border:-border, border:-border]
    first = bands[:1]
    right, left = first[..., 2:], first[..., :-2]
    neighbours = right * first[..., 1:-1].conj() + first[..., 1:-1] * left.conj()
    frequency = neighbours.angle()  # radians a pixel
    turned = bands[..., 1:-1] * first[..., 1:-1].conj()
    weight = neighbours.abs()
    moved = (weight * frequency * -turned.angle()).sum((-2, -1))
    return moved / (weight * frequency.square()).sum((-2, -1))


def make_video(path: str, amplitude: float, frequency: float, fps: int, length: int) -> None:
    """A textured surface that swings sideways by `amplitude` pixels at `frequency` hertz.

    It is moved exactly, in its spectrum, and stored without loss: codecs that predict one frame
    from another lose motion this small.
    """
    surface = np.random.default_rng(0).random((96, 160)).astype(np.float32)
    surface = cv2.GaussianBlur(surface, (0, 0), 1.2)
    surface = 0.5 + 0.12 * (surface - surface.mean()) / surface.std()
    spectrum, k = np.fft.fft(surface, axis=1), np.fft.fftfreq(160)
    with av.open(path, "w") as video:
        stream = video.add_stream("ffv1", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "gray"
        for t in range(length):
            x = amplitude * math.sin(2 * math.pi * frequency * t / fps)
            moved = np.fft.ifft(spectrum * np.exp(-2j * np.pi * k * x), axis=1).real[:, 16:144]
            picture = (255 * moved.clip(0, 1)).round().astype(np.uint8)
            video.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "gray")))
        video.mux(stream.encode(None))


def read_video(path: str) -> tuple[torch.Tensor, float]:
    """Grey frames, uint8 [T, H, W], and frames per second."""
    try:
        with av.open(path) as video:
            fps = float(video.streams.video[0].average_rate)
            frames = [frame.to_ndarray(format="gray") for frame in video.decode(video=0)]
    except (av.FFmpegError, IndexError):
        sys.exit(f"{path}: no frames could be read")
    return torch.from_numpy(np.stack(frames)), fps


def swing(x: torch.Tensor, fps: float) -> tuple[float, float]:
    """Amplitude and frequency (hertz) of the strongest sine in `x`, by its Fourier transform."""
    window = torch.hann_window(len(x), dtype=x.dtype)
    spectrum = torch.fft.rfft((x - x.mean()) * window, n=16 * len(x)).abs()
    k = int(spectrum.argmax())
    return float(2 * spectrum[k] / window.sum()), k * fps / (16 * len(x))


def main(path: str | None = None) -> tuple[float, float]:
    if path is None:
        path, truth = "vibration.avi", (0.2, 7.0)
        make_video(path, *truth, fps=60, length=120)
        print(f"made:     {truth[0]:.3f} pixels at {truth[1]:.2f} Hz")
    frames, fps = read_video(path)
    amplitude, frequency = swing(displacement(frames), fps)
    print(f"measured: {amplitude:.3f} pixels at {frequency:.2f} Hz")
    return amplitude, frequency


if __name__ == "__main__":
    main(*sys.argv[1:])
