"""The motion maps and the rendered video."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from mimamo.faces.observe import Faces
from mimamo.model import MIMAMOConfig
from mimamo.model.features import phase_windows
from mimamo.predict.render import panels
from mimamo.predict.render.face_motion import face_motions
from mimamo.predict.render.video import render_video
from mimamo.video import AlignedFolder, VideoReader, VideoWriter


def texture(height: int, width: int) -> np.ndarray:
    noise = cv2.GaussianBlur(np.random.default_rng(0).standard_normal((height, width)), (0, 0), 1.5)
    return ((noise - noise.min()) / np.ptp(noise) * 255).astype(np.float32)


def half_moving(frames: int, dx: float, dy: float) -> np.ndarray:
    """Grey frames whose left half rests, while the right moves so many pixels a frame."""
    still, moving = texture(48, 48), texture(96, 96)
    clip = np.empty((frames, 48, 48), np.uint8)
    for number, frame in enumerate(clip):
        shift = np.array([[1, 0, dx * number], [0, 1, dy * number]], np.float32)
        moved = cv2.warpAffine(moving, shift, (96, 96), flags=cv2.INTER_CUBIC)
        frame[:, :24] = still[:, :24]
        frame[:, 24:] = moved[24:72, 24:48].clip(0, 255)
    return clip


def motion_maps(clip: np.ndarray, config: MIMAMOConfig) -> list[np.ndarray]:
    return [motion.difference for motion in face_motions(clip, config)]


class TestFaceMotions:
    @pytest.mark.parametrize("frames", [1, 5, 64, 150])
    def test_they_are_the_differences_to_the_frame_before_as_the_network_sees_them(self, frames):
        clip = half_moving(frames, 0.3, 0.1)
        config = MIMAMOConfig()
        maps = np.stack(motion_maps(clip, config))
        level = phase_windows(torch.from_numpy(clip), config, context=False)[0]
        # A window holds the frames t - 6 ... t + 6; its sixth difference is that of t and t - 1.
        expected = level.reshape(frames, 2, 12, 48, 48)[:, :, 5]
        np.testing.assert_allclose(maps, expected, atol=1e-5)
        assert maps.dtype == np.float32

    def test_no_frames_give_no_maps(self):
        assert motion_maps(np.empty((0, 48, 48), np.uint8), MIMAMOConfig()) == []

    @pytest.mark.parametrize(("direction", "band"), [((0.4, 0.0), 0), ((0.0, 0.4), 1)])
    def test_the_first_band_sees_motion_across_and_the_second_up_and_down(self, direction, band):
        maps = motion_maps(half_moving(20, *direction), MIMAMOConfig())[10]
        contrast = np.abs(maps[:, :, 28:].mean(axis=(1, 2)) - maps[:, :, :20].mean(axis=(1, 2)))
        assert contrast[band] > 2 * contrast[1 - band]

    @pytest.mark.parametrize("direction", [(0.4, 0.0), (0.0, -0.3), (0.2, 0.2)])
    def test_motion_in_pixels_is_since_the_frame_before(self, direction):
        clip = half_moving(70, *direction)
        fields = np.stack([motion.field for motion in face_motions(clip, MIMAMOConfig())])
        assert fields.shape == (70, 2, 48, 48)
        assert (fields[0] == 0).all()
        moving = np.median(fields[1:, :, 10:-10, 32:38], axis=(2, 3))  # over the seam of chunks too
        np.testing.assert_allclose(np.median(moving, axis=0), direction, atol=0.06)
        assert np.median(np.abs(fields[1:, :, 10:-10, 6:14])) < 0.01

    def test_a_still_face_has_none(self):
        maps = np.stack(motion_maps(half_moving(20, 0, 0), MIMAMOConfig()))
        assert np.abs(maps).max() < 1e-6


def written(path, frames):
    with VideoWriter(path, fps=20) as writer:
        for image in frames:
            writer.write(image)
    return VideoReader(path)


def region(image: np.ndarray, rect: panels.Rect) -> np.ndarray:
    return rect.of(image).astype(float)


class TestRenderVideo:
    def test_every_frame_is_drawn_at_the_videos_rate(self, tmp_path, predictions):
        video = written(
            tmp_path / "in.mp4", [np.full((96, 128, 3), 20 * n, np.uint8) for n in range(9)]
        )
        made = predictions("..xxx.xxx", fps=20)
        landmarks = np.array([[20, 8], [40, 8], [30, 15], [22, 22], [38, 22]], np.float32)
        faces = Faces(
            np.where(made.found[:, None], np.float32([10, 5, 50, 25]), np.nan).astype(np.float32),
            np.where(made.found[:, None, None], landmarks, np.nan).astype(np.float32),
            made.found.astype(np.float32),
        )
        steps = []
        render_video(
            tmp_path / "out.mp4", video, made, faces, half_moving(6, 0.3, 0), MIMAMOConfig(),
            lambda: steps.append(1),
        )  # fmt: skip
        rendered = VideoReader(tmp_path / "out.mp4")
        frames = [frame.image for frame in rendered]
        assert rendered.fps == pytest.approx(20)
        assert rendered.size == (1280, 720)
        assert len(frames) == len(steps) == 9
        for number, image in enumerate(frames):
            # The frame's grey level tells which frame it is.
            assert region(image, panels._VIDEO)[300:400, 200:600].mean() == pytest.approx(
                20 * number, abs=9
            )
            crop = region(image, panels._CROP).mean()
            # Darker under the arrows.
            shown = 0.7 * 20 * number if made.found[number] else np.mean(panels._PANEL)
            assert crop == pytest.approx(shown, abs=9)

    def test_motion_is_never_that_from_one_face_to_another(self, tmp_path, two_people, monkeypatch):
        """Two faces that do not move; only the step from one to the other would be motion."""
        video = written(tmp_path / "in.mp4", [np.zeros((96, 128, 3), np.uint8)] * 11)
        count, found = len(two_people), two_people.face[two_people.found]
        faces = Faces(
            np.tile(np.float32([10, 5, 50, 25]), (count, 1)),
            np.tile(np.float32([[20, 8], [40, 8], [30, 15], [22, 22], [38, 22]]), (count, 1, 1)),
            np.ones(count, np.float32),
        )
        still = np.stack([half_moving(1, 0, 0)[0], half_moving(2, 9, 9)[1]])
        motions, draw = [], panels.Renderer.draw

        def watched(self, index, image, crop, motion):
            motions.append(motion)
            return draw(self, index, image, crop, motion)

        monkeypatch.setattr(panels.Renderer, "draw", watched)
        render_video(
            tmp_path / "out.mp4", video, two_people, faces, still[found - 1], MIMAMOConfig(),
            people=True,
        )  # fmt: skip
        assert [motion is None for motion in motions] == [False] * 10 + [True]
        assert max(np.abs(motion.field).max() for motion in motions[:10]) == 0
        assert max(np.abs(motion.window).max() for motion in motions[:10]) < 1e-5

    def test_a_folder_of_aligned_faces_is_its_own_picture(self, tmp_path, predictions):
        folder = tmp_path / "v"
        folder.mkdir()
        for number, level in ((2, 60), (4, 180)):
            image = Image.new("RGB", (112, 112), (level, level, level))
            image.save(folder / f"{number:05d}.png")
        made = predictions(".x.x", fps=30)
        nowhere = Faces(
            np.full((4, 4), np.nan), np.full((4, 5, 2), np.nan), np.array([0, 1, 0, 1], np.float32)
        )
        video = AlignedFolder(folder)
        render_video(
            tmp_path / "out.mp4", video, made, nowhere, half_moving(2, 0, 0), MIMAMOConfig()
        )
        frames = [frame.image for frame in VideoReader(tmp_path / "out.mp4")]
        dark = np.mean(panels._PANEL)
        middles = [region(image, panels._VIDEO)[100:, 300:500].mean() for image in frames]
        np.testing.assert_allclose(middles, [dark, 60, dark, 180], atol=6)
