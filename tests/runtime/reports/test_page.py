"""Pages show every value as it is, and ask for none that nobody gave."""

from __future__ import annotations

import itertools
from pathlib import Path

import jinja2
import pytest

from asd_edge.runtime.reports.page import render
from asd_edge.runtime.reports.pictures import DESK_WIDTH, PHONE_WIDTH, scores_chart

PAGES = Path(render.__code__.co_filename).parent / "pages"


def test_a_name_that_looks_like_markup_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    (tmp_path / "inner.svg").write_text("<text>{{ name }}</text>")
    (tmp_path / "page.html").write_text('<p title="{{ name }}">{{ name }}</p>{% include "inner.svg" %}')
    shown = render(tmp_path / "page.html", name='<script>alert("pump & fan")</script>')
    assert "<script>" not in shown
    assert shown.count("&lt;script&gt;alert(&#34;pump &amp; fan&#34;)") == 3


def test_a_value_that_is_missing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{{ result }}")
    with pytest.raises(jinja2.UndefinedError, match="result"):
        render(tmp_path / "page.html")


def test_scores_are_drawn_where_they_belong() -> None:
    """Times 0 to 1200 s lie between 46 and 854, scores 9 (0.9 * 10) to 21.6 (1.08 * 20) between 214 and 46."""
    chart = scores_chart([0.0, 600.0, 1200.0], [10.0, 20.0, 15.0], 18.0, [(600.0, "a < b", "on")], [(600.0, 900.0)])
    drawing = render(PAGES / "scores.svg", chart=chart)
    assert 'points="46.0,200.7 450.0,67.3 854.0,134.0 "' in drawing
    assert '<rect class="alarm" x="450.0" y="46" width="202.0" height="168"/>' in drawing
    assert "a &lt; b" in drawing
    assert drawing.count("min</text>") == 5  # every five minutes


def test_characters_that_would_act_are_shown(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>{{ name }}</p>{{ markup | safe }}{{ number }}{{ nothing }}")
    shown = render(
        tmp_path / "page.html", name="\x1b[2J\u202egnp\x00\udce9", markup="<svg>\u202e</svg>", number=1.5, nothing=None
    )
    assert shown == "<p>\\x1b[2J\\u202egnp\\x00\\xe9</p><svg>\u202e</svg>1.5None"
    shown.encode()


@pytest.mark.parametrize("width", [PHONE_WIDTH, DESK_WIDTH])
@pytest.mark.parametrize("end_s", [1.0, 50.0, 600.0, 1800.0, 86_400.0, 700_000.0])
def test_times_under_a_drawing_have_room(width: int, end_s: float) -> None:
    chart = scores_chart([0.0, end_s], [1.0, 2.0], 1.5, [], [], width)
    places = [chart["x"](at_s) for at_s in chart["ticks_s"]]
    assert 1 <= len(places) <= 31
    assert all(later - earlier >= 60.0 for earlier, later in itertools.pairwise(places))
    assert width == chart["width"] > places[-1]
