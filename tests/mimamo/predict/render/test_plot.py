"""What the plot shows, read off the figure's own objects."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from PIL import Image

from mimamo.errors import InputError
from mimamo.predict.render.plot import draw_plot, save_plot


def panels(figure):
    """The axes of valence over time, arousal over time, and the plane."""
    return figure.axes[:3]


def curves(axes):
    """The dotted line of held values and the solid one of predictions."""
    return [line for line in axes.lines if len(line.get_xdata()) > 2]


def texts(figure):
    own = [text.get_text() for text in figure.texts]
    return own + [text.get_text() for axes in figure.axes for text in axes.texts]


class TestOverTime:
    def test_the_solid_lines_are_the_predictions_of_frames_with_a_face(self, predictions):
        made = predictions("..xxxx..xxx.x")
        for column, axes in enumerate(panels(draw_plot(made, "a"))[:2]):
            solid = curves(axes)[1]
            np.testing.assert_array_equal(solid.get_xdata(), made.times)
            expected = np.where(made.found, made.values[:, column], np.nan)
            np.testing.assert_array_equal(solid.get_ydata(), expected)

    def test_held_values_are_dotted_from_the_prediction_they_repeat(self, predictions):
        made = predictions(".xx..xx.")
        dotted = curves(panels(draw_plot(made, "a"))[0])[0]
        value = made.values[:, 0]
        nan = np.nan
        expected = [nan, nan, value[2], value[2], value[2], nan, value[6], value[6]]
        np.testing.assert_array_equal(dotted.get_ydata(), np.array(expected, np.float32))
        assert dotted.get_linestyle() != "-"

    @pytest.mark.parametrize("pattern", ["." * 9, "...xx.x", "."])
    def test_minus_five_is_never_drawn(self, predictions, pattern):
        figure = draw_plot(predictions(pattern), "a")
        for axes in panels(figure):
            for line in axes.lines:
                drawn = np.asarray(line.get_ydata(), float)
                assert not (drawn < -2).any()
            assert axes.get_ylim() == (-1, 1)

    def test_frames_without_a_face_are_shaded_and_named(self, predictions):
        figure = draw_plot(predictions("..xxx.xx", fps=10), "a")
        for axes in panels(figure)[:2]:
            (shade,) = [c for c in axes.collections if isinstance(c, PolyCollection)]
            spans = [
                (path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in shade.get_paths()
            ]
            np.testing.assert_allclose(spans, [(-0.05, 0.15), (0.45, 0.55)])
        legend = panels(figure)[0].get_legend()
        assert [text.get_text() for text in legend.get_texts()] == [
            "no face found",
            "last prediction held",
        ]

    def test_lines_are_broken_where_frames_are_missing(self, predictions):
        whole = predictions("xxxx..xxx", fps=10)
        made = replace(whole, gaps=[(whole.times[1], 5.0), (whole.times[4], 5.0)])
        for column, axes in enumerate(panels(draw_plot(made, "a"))[:2]):
            dotted, solid = curves(axes)
            for line in (dotted, solid):
                times = line.get_xdata()
                assert np.flatnonzero(np.isnan(times)).tolist() == [2, 6]
                np.testing.assert_array_equal(times[~np.isnan(times)], made.times)
            shown = ~np.isnan(solid.get_ydata())
            np.testing.assert_array_equal(solid.get_ydata()[shown], made.values[made.found, column])

    def test_nothing_is_shaded_where_every_frame_has_a_face(self, predictions):
        axes = panels(draw_plot(predictions("xxxx"), "a"))[0]
        assert not axes.collections
        assert axes.get_legend() is None

    @pytest.mark.parametrize(("seconds", "unit"), [(100, "s"), (600, "min")])
    def test_long_videos_have_minutes(self, predictions, seconds, unit):
        axes = panels(draw_plot(predictions("x" * (seconds + 1), fps=1), "a"))[1]
        assert axes.get_xlabel() == f"Time ({unit})"
        end = seconds / 60 if unit == "min" else seconds
        assert axes.get_xlim()[1] == pytest.approx(end, rel=0.01)


class TestPlane:
    def test_the_points_are_the_predictions_in_the_colours_of_their_time(self, predictions):
        made = predictions("xxx..xx")
        plane = panels(draw_plot(made, "a"))[2]
        (points,) = plane.collections
        np.testing.assert_allclose(points.get_offsets(), made.values[made.found], rtol=1e-6)
        np.testing.assert_allclose(points.get_array(), made.times[made.found])

    def test_a_single_frame_is_a_large_dot_without_a_time_scale(self, predictions):
        figure = draw_plot(predictions("x"), "a")
        assert len(figure.axes) == 3  # no colour bar
        (one,), (many,) = (
            panels(draw_plot(predictions(pattern), "a"))[2].collections for pattern in ("x", "xx")
        )
        assert one.get_sizes()[0] > 4 * many.get_sizes()[0]

    def test_values_outside_the_range_widen_every_axis(self, predictions):
        made = predictions("x" * 50, scale=2.5)
        for axes in panels(draw_plot(made, "a")):
            assert axes.get_ylim() == (-made.axis_limit, made.axis_limit)
        assert panels(draw_plot(made, "a"))[2].get_xlim() == (-made.axis_limit, made.axis_limit)


class TestPeople:
    def test_none_is_drawn_across_frames_that_are_missing(self, torn):
        for axes in panels(draw_plot(torn, "a", people=True))[:2]:
            lines = [line.get_xdata() for line in axes.lines if line.get_marker() == "."]
            assert [len(line) for line in lines] == [5, 5, 5]

    def test_each_is_in_a_colour_as_far_as_it_is_seen_without_a_gap(self, two_people):
        figure = draw_plot(two_people, "a", people=True)
        for axes, column in zip(panels(figure)[:2], (0, 1), strict=True):
            lines = [line for line in axes.lines if line.get_marker() == "."]
            spans = [np.round(10 * np.asarray(line.get_xdata())).tolist() for line in lines]
            assert spans == [list(range(10)), [2, 3], [6, 7]]
            for number, line in zip((1, 2, 2), lines, strict=True):
                own = two_people.values[two_people.face == number, column]
                assert set(line.get_ydata()) <= set(own)
            colours = [line.get_color() for line in lines]
            assert colours[0] != colours[1] == colours[2]
        legend = panels(figure)[0].get_legend()
        names = [text.get_text() for text in legend.get_texts()]
        assert names == ["no face found", "face 1", "face 2"]
        assert not panels(figure)[2].collections  # no colours of time
        labels = [
            label for axes in panels(figure) for label in (axes.xaxis.label, axes.yaxis.label)
        ]
        assert {label.get_color() for label in labels} == {"black"}  # others are faces'
        assert "11 frames, 1.0 s, face found in 10, 2 faces" in texts(figure)

    def test_a_lone_face_is_drawn_as_ever(self, tmp_path, predictions):
        for name, people in (("a", True), ("b", False)):
            save_plot(tmp_path / f"{name}.png", predictions("x.xx"), "same", people=people)
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()

    def test_a_line_is_where_another_face_begins(self, predictions):
        made = predictions("xxxxxx", fps=10)
        made.face[4:] = 2
        for axes in panels(draw_plot(made, "a"))[:2]:
            across = [x.get_xdata()[0] for x in axes.lines if len(set(x.get_xdata())) == 1]
            assert pytest.approx([0.35]) == across
            solid = [
                np.flatnonzero(~np.isnan(x.get_ydata()))
                for x in axes.lines
                if x.get_marker() == "."
            ]
            assert [x.tolist() for x in solid] == [[0, 1, 2, 3], [4, 5]]


class TestWords:
    def test_the_summary_counts(self, predictions):
        assert "5 frames, 0.2 s, face found in 3" in texts(draw_plot(predictions("x.xx."), "a"))
        assert "1 frame, 0.0 s, face found in 1" in texts(draw_plot(predictions("x"), "a"))

    def test_no_face_at_all_is_said_in_every_panel(self, predictions):
        assert texts(draw_plot(predictions("..."), "a")).count("no face found") == 3

    def test_long_names_are_shortened_in_the_middle(self, predictions):
        name = texts(draw_plot(predictions("x"), "begin" + "-" * 200 + "end"))[0]
        assert len(name) == 72
        assert name.startswith("begin-")
        assert name.endswith("-end")


class TestFile:
    @pytest.mark.parametrize("pattern", ["", "x", "xx", "....", "xx.x" * 30])
    def test_any_video_gives_a_picture_of_the_same_size(self, tmp_path, predictions, pattern):
        save_plot(tmp_path / "a.png", predictions(pattern), "a")
        with Image.open(tmp_path / "a.png") as image:
            assert image.size == (1800, 810)

    @pytest.mark.parametrize("name", ["$x_1$ and ^{bad", "日本", "under_score [a] <b>"])
    def test_any_name_can_be_a_title(self, tmp_path, predictions, name):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            save_plot(tmp_path / "a.png", predictions("x.x"), name)
        assert (tmp_path / "a.png").stat().st_size > 1000

    def test_the_same_predictions_give_the_same_bytes(self, tmp_path, predictions):
        for name in "ab":
            save_plot(tmp_path / f"{name}.png", predictions("xx.xx"), "same")
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()

    def test_a_missing_folder_is_an_input_error(self, tmp_path, predictions):
        with pytest.raises(InputError, match="none/a"):
            save_plot(tmp_path / "none" / "a.png", predictions("x"), "a")
