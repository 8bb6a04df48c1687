"""Augmentation: one draw per clip, crops that stay inside, reproducible."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mimamo.data.augmentation import augment_clips


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramps(size: int = 48) -> torch.Tensor:
    """Two 'frames' whose pixels are their own x and y coordinate, float64 [2, size, size]."""
    axis = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"))


class TestSharedByTheClip:
    def test_all_frames_of_a_clip_are_transformed_alike(self) -> None:
        image = torch.rand(48, 48)
        clip = image.expand(3, 20, 48, 48)
        result = augment_clips(clip, generator())
        assert torch.equal(result, result[:, :1].expand_as(result))

    def test_clips_of_a_batch_are_transformed_each_its_own_way(self) -> None:
        clip = torch.rand(48, 48).expand(4, 2, 48, 48)
        result = augment_clips(clip, generator())
        for a in range(4):
            for b in range(a):
                assert not torch.allclose(result[a], result[b], atol=1e-3)

    def test_a_still_clip_stays_still(self) -> None:
        clip = torch.randint(0, 256, (2, 1, 48, 48), dtype=torch.uint8).expand(2, 13, 48, 48)
        assert augment_clips(clip, generator()).diff(dim=1).abs().max() == 0


class TestGeometry:
    def test_the_crop_has_its_size_lies_inside_and_moves(self) -> None:
        clips = ramps().expand(200, 2, 48, 48)
        result = augment_clips(clips, generator(), flip=0.0, crop=0.85)
        x, y = result[:, 0], result[:, 1]
        # Between pixel centres the step of a 0.85 window resized to 48 is 0.85 pixels.
        step = x[:, 10:40, 10:40].diff(dim=2)
        torch.testing.assert_close(step, torch.full_like(step, 0.85 / 48))
        left = x[:, 20, 20] - 20.5 * 0.85 / 48
        top = y[:, 20, 20] - 20.5 * 0.85 / 48
        for offset in (left, top):
            assert offset.min() > -1e-9
            assert offset.max() < 0.15 + 1e-9
            assert offset.min() < 0.01
            assert offset.max() > 0.14
        assert abs(torch.corrcoef(torch.stack([left, top]))[0, 1]) < 0.2

    def test_only_the_x_axis_is_mirrored(self) -> None:
        clips = ramps().expand(2, 2, 48, 48)
        plain = augment_clips(clips, generator(), flip=0.0, crop=1.0)
        mirrored = augment_clips(clips, generator(), flip=1.0, crop=1.0)
        torch.testing.assert_close(plain, clips)
        torch.testing.assert_close(mirrored, clips.flip(-1))

    def test_about_half_of_the_clips_are_mirrored(self) -> None:
        result = augment_clips(ramps().expand(400, 2, 48, 48), generator())
        mirrored = (result[:, 0, 20, 40] < result[:, 0, 20, 10]).float().mean()
        assert 0.4 < mirrored < 0.6

    def test_a_centred_crop_is_the_one_interpolate_gives(self) -> None:
        image = torch.rand(1, 1, 60, 60, dtype=torch.float64)
        # The draw decides the place; recover it from a ramp sent through the same draw.
        place = augment_clips(ramps(60)[None], generator(3), flip=0.0, crop=0.5)
        left, top = (place[0, c, 10, 10].item() * 60 - 10.5 * 0.5 for c in (0, 1))
        result = augment_clips(image, generator(3), flip=0.0, crop=0.5)
        x = left + (torch.arange(60, dtype=torch.float64) + 0.5) * 0.5
        y = top + (torch.arange(60, dtype=torch.float64) + 0.5) * 0.5
        grid = torch.stack(torch.meshgrid(x / 30 - 1, y / 30 - 1, indexing="xy"), dim=-1)
        expected = F.grid_sample(image, grid[None], align_corners=False, padding_mode="border")
        torch.testing.assert_close(result, expected)


class TestValues:
    def test_uint8_becomes_float_between_0_and_1(self) -> None:
        frames = torch.randint(0, 256, (2, 3, 48, 48), dtype=torch.uint8)
        result = augment_clips(frames, generator())
        assert result.dtype == torch.float32
        assert result.min() >= 0
        assert result.max() <= 1
        torch.testing.assert_close(result, augment_clips(frames / 255, generator()))

    def test_a_white_image_stays_white_to_its_borders(self) -> None:
        white = torch.ones(50, 1, 48, 48)
        torch.testing.assert_close(augment_clips(white, generator()), white)

    def test_non_square_frames(self) -> None:
        assert augment_clips(torch.rand(2, 3, 20, 31), generator()).shape == (2, 3, 20, 31)


class TestRandomness:
    @pytest.mark.parametrize("seed", [0, 7])
    def test_the_seed_decides(self, seed: int) -> None:
        frames = torch.rand(3, 2, 48, 48)
        first = augment_clips(frames, generator(seed))
        assert torch.equal(first, augment_clips(frames, generator(seed)))
        assert not torch.equal(first, augment_clips(frames, generator(seed + 1)))

    def test_the_global_generator_is_not_used(self) -> None:
        before = torch.random.get_rng_state()
        augment_clips(torch.rand(3, 2, 48, 48, generator=generator()), generator())
        assert torch.equal(before, torch.random.get_rng_state())
