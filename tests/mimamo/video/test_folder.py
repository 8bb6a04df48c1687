"""AlignedFolder: Aff-Wild2's layout of aligned faces."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from mimamo.errors import InputError
from mimamo.video import AlignedFolder


@pytest.fixture
def folder(tmp_path):
    """Return a folder with images for frames 2, 3 and 5 (numbered from 1) of grey 20, 30, 50."""
    path = tmp_path / "12-24-1920x1080_left"
    path.mkdir()
    for number in (2, 3, 5):
        _write(path / f"{number:05}.jpg", grey=10 * number)
    return path


class TestReading:
    def test_images_by_frame(self, folder):
        crops = dict(AlignedFolder(folder))
        assert list(crops) == [1, 2, 4]
        for index, crop in crops.items():
            assert crop.shape == (112, 112, 3)
            assert crop.dtype == np.uint8
            assert np.abs(crop.astype(int) - 10 * (index + 1)).max() <= 2

    def test_facts(self, folder):
        source = AlignedFolder(folder)
        facts = (source.name, source.frame_count, source.fps, source.size, source.warnings)
        assert facts == ("12-24-1920x1080_left", 5, 30.0, (112, 112), [])

    def test_channels_are_rgb(self, folder):
        bgr = np.full((112, 112, 3), (10, 20, 200), np.uint8)
        cv2.imwrite(str(folder / "00001.png"), bgr)
        _, crop = next(iter(AlignedFolder(folder)))
        assert crop[0, 0].tolist() == [200, 20, 10]

    def test_order_is_by_number_not_by_name(self, folder):
        _write(folder / "100000.jpg", grey=0)
        _write(folder / "4.PNG", grey=0)
        assert [index for index, _ in AlignedFolder(folder)] == [1, 2, 3, 4, 99999]

    def test_other_files_are_passed_over(self, folder):
        for name in (".DS_Store", "notes.txt", "00007.txt", "cover.jpg"):
            (folder / name).write_text("")
        assert len(list(AlignedFolder(folder))) == 3

    @pytest.mark.parametrize("side", [56, 224])
    def test_square_images_of_another_size_are_resized_with_one_warning(self, folder, side):
        for number in (6, 7):
            _write(folder / f"{number:05}.png", grey=77, shape=(side, side))
        source = AlignedFolder(folder)
        crops = dict(source)
        assert crops[5].shape == (112, 112, 3)
        assert np.abs(crops[5].astype(int) - 77).max() <= 1
        assert len(source.warnings) == 1
        assert f"{side}x{side}" in source.warnings[0]


class TestRefusing:
    @pytest.mark.parametrize(
        "content", [b"", b"not an image", np.random.default_rng(0).bytes(3000)]
    )
    def test_broken_image(self, folder, content):
        (folder / "00003.jpg").write_bytes(content)
        _check_reading_fails(folder, r"00003\.jpg: expected an image")

    @pytest.mark.parametrize("suffix", [".jpg", ".png"])
    def test_truncated_image(self, folder, suffix):
        path = folder / f"00004{suffix}"
        texture = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
        cv2.imwrite(str(path), texture)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        _check_reading_fails(folder, rf"00004\{suffix}: cannot be read")

    def test_a_format_that_starts_another_program(self, folder, monkeypatch):
        """Pillow gives an EPS to Ghostscript, whatever its name."""
        path = folder / "00003.jpg"
        Image.new("RGB", (112, 112)).save(path, format="EPS")
        monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", pytest.fail)
        _check_reading_fails(folder, r"00003\.jpg: expected an image, got something else")

    def test_oblong_image(self, folder):
        _write(folder / "00004.jpg", grey=0, shape=(112, 96))
        _check_reading_fails(folder, r"00004\.jpg: .*112x112, got 96x112")

    def test_number_zero(self, folder):
        _write(folder / "00000.jpg", grey=0)
        with pytest.raises(InputError, match=r"00000\.jpg.*from 1"):
            AlignedFolder(folder)

    def test_number_twice(self, folder):
        _write(folder / "00003.png", grey=0)
        with pytest.raises(InputError, match=r"00003\.png.*00003\.jpg"):
            AlignedFolder(folder)

    def test_frame_rate(self, folder):
        with pytest.raises(ValueError, match="fps"):
            AlignedFolder(folder, fps=0)

    def test_folder_without_images(self, folder):
        with pytest.raises(InputError, match=r"expected images named by number"):
            AlignedFolder(folder.parent)

    def test_missing_folder(self, tmp_path):
        with pytest.raises(InputError, match=r"none: cannot be read as a folder"):
            AlignedFolder(tmp_path / "none")

    def test_a_file(self, folder):
        with pytest.raises(InputError, match=r"00002\.jpg: cannot be read as a folder"):
            AlignedFolder(folder / "00002.jpg")


def _write(path, grey, shape=(112, 112)):
    cv2.imwrite(str(path), np.full((*shape, 3), grey, np.uint8))


def _check_reading_fails(folder, message):
    with pytest.raises(InputError, match=message) as caught:
        list(AlignedFolder(folder))
    assert "\n" not in str(caught.value)


class TestOpenFace:
    """`frame_det_<face>_<frame>.bmp`, as OpenFace names aligned faces."""

    def test_is_read(self, tmp_path):
        for number in (1, 2, 5):
            _write(tmp_path / f"frame_det_00_{number:06}.bmp", grey=10 * number)
        _write(tmp_path / "._frame_det_00_000003.bmp", grey=0)
        source = AlignedFolder(tmp_path)
        assert [(index, int(crop.max())) for index, crop in source] == [(0, 10), (1, 20), (4, 50)]
        assert source.warnings == []

    def test_of_several_faces_that_of_most_images_is_read_and_said(self, tmp_path):
        for face, number in ((0, 1), (1, 1), (1, 2), (2, 9)):
            _write(tmp_path / f"frame_det_{face:02}_{number:06}.png", grey=10 * face)
        source = AlignedFolder(tmp_path)
        assert [(index, int(crop.max())) for index, crop in source] == [(0, 10), (1, 10)]
        assert source.warnings == [
            f"{tmp_path}: holds 3 faces; that of most images is used, frame_det_01_000001.png"
            " and so on"
        ]
