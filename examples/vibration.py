"""The vibration of a surface, measured in pixels from a video of it, and made to sound.

    python examples/vibration.py            a generated video, compared with how it was made to move
    python examples/vibration.py video.mp4  a video of one's own: amplitude and frequency
    python examples/vibration.py video.mp4 sound.wav  and the motion as sound, of high-speed films

It has to stay below about two pixels: `phasenet.vibration` takes coarser levels for more.
"""

import math
import sys
import wave

import av
import cv2
import numpy as np
import torch

import phasenet


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


def write_sound(path: str, found: phasenet.Vibration, fps: float) -> None:
    """The motion along its strongest direction as a WAV file, as loud as it can be."""
    direction = found.peak().direction
    along = torch.stack([direction.cos(), direction.sin()])
    sound = found.signal @ along
    sound = sound - sound.mean()
    samples = (32767 * sound / sound.abs().max()).round().to(torch.int16)
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, round(fps), len(samples), "NONE", ""))
        file.writeframes(samples.numpy().tobytes())


def main(path: str | None = None, sound: str | None = None) -> tuple[float, float]:
    if path is None:
        path, truth = "vibration.avi", (0.2, 7.0)
        make_video(path, *truth, fps=60, length=120)
        print(f"made:     {truth[0]:.3f} pixels at {truth[1]:.2f} Hz")
    frames, fps = read_video(path)
    found = phasenet.vibration(frames, fps)
    frequency, amplitude, direction = (float(x) for x in found.peak())
    print(
        f"measured: {amplitude:.3f} pixels at {frequency:.2f} Hz, "
        f"{math.degrees(direction):.0f} degrees from the x axis downwards"
    )
    if sound is not None:
        write_sound(sound, found, fps)
    return amplitude, frequency


if __name__ == "__main__":
    main(*sys.argv[1:])
