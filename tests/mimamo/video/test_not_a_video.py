"""What is not a video is refused in one line that names it, and nothing else is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from support.films import SIZE

from mimamo.errors import InputError
from mimamo.video import VideoReader

BAD_CONTENT = {
    "nothing": b"",
    "text": b"valence,arousal\n0.1,0.2\n" * 50,
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n",
    "ffconcat": b"ffconcat version 1.0\nfile other.ts\n",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "subtitles": b"1\n00:00:00,000 --> 00:00:01,000\nhello\n\n",
    "noise": np.random.default_rng(0).bytes(5000),
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(50),
}


class TestWhatIsNotAVideo:
    @pytest.mark.parametrize("name", ["film.mp4", "film.m3u8", "film.ffconcat", "film.sdp"])
    @pytest.mark.parametrize("kind", BAD_CONTENT)
    def test_content(self, tmp_path, make_video, kind, name):
        """A playlist is refused, whatever its name, also where what it names is a video."""
        make_video("other.ts", 3, "mpeg2video")
        path = tmp_path / name
        path.write_bytes(BAD_CONTENT[kind])
        _check_refused(path)

    def test_a_list_of_films_that_are_there(self, tmp_path, make_video, monkeypatch):
        """From a file that somebody sent, FFmpeg would read others of the folder it runs in."""
        film = make_video("other.mp4", 5)
        monkeypatch.chdir(tmp_path)
        assert film.parent == tmp_path
        path = tmp_path / "list.mp4"
        path.write_bytes(b"ffconcat version 1.0\nfile other.mp4\n")
        _check_refused(path)

    @pytest.mark.parametrize(("name", "codec"), [("none.mp4", "libx264"), ("none.avi", "mpeg4")])
    def test_container_without_frames(self, tmp_path, name, codec):
        path = tmp_path / name
        with av.open(str(path), "w") as output:
            stream = output.add_stream(codec, 25)
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
            output.start_encoding()
        _check_refused(path)

    def test_folder(self, tmp_path):
        _check_refused(tmp_path)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_pipe(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.mp4")
        _check_refused(tmp_path / "pipe.mp4")

    def test_missing_file(self, tmp_path):
        _check_refused(tmp_path / "none.mp4")

    def test_a_file_lost_after_opening(self, make_video):
        video = VideoReader(make_video())
        video.path.unlink()
        with pytest.raises(InputError, match=r"clip\.mp4"):
            next(iter(video))


def test_ffmpeg_stays_silent(make_video, tmp_path):
    bad = tmp_path / "noise.mp4"
    bad.write_bytes(BAD_CONTENT["noise"])
    cut = make_video("cut.mkv", frames=60)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    program = (
        "import sys\n"
        "from mimamo.errors import InputError\n"
        "from mimamo.video import VideoReader\n"
        "try:\n"
        "    VideoReader(sys.argv[1])\n"
        "except InputError:\n"
        "    print('refused')\n"
        "print(len(list(VideoReader(sys.argv[2]))) > 0)\n"
    )
    command = [sys.executable, "-c", program, str(bad), str(cut)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["refused", "True"]
    assert done.stderr == ""


def _check_refused(path: Path) -> None:
    with pytest.raises(InputError) as caught:
        VideoReader(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
