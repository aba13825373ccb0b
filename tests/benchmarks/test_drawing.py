"""Figures in a page: in the colours of the page, the same every time, and with nothing from outside."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from asd_edge.benchmarks.drawing import COLOURS, embedded, figure_of_page, name_class


def draw(words: str = "a & b") -> str:
    with figure_of_page(300.0, 200.0) as (figure, axes):
        axes.plot([1.0, 2.0], [3.0, 4.0], color=COLOURS["one"], marker="o", gid=name_class("curve first"))
        axes.set_xlabel(words)
        return embedded(figure, "What it <shows>")


def test_a_figure_has_the_colours_of_the_page_and_no_other() -> None:
    svg = draw()
    assert "stroke: var(--one)" in svg
    assert "fill: var(--soft)" in svg  # the label
    assert not re.search(r"#[0-9a-f]{6}", svg)


def test_a_figure_is_the_same_for_the_same_numbers() -> None:
    assert draw() == draw()
    assert draw() != draw("other words")


def test_text_stays_text_in_the_fonts_of_the_page() -> None:
    svg = draw()
    assert ">a &amp; b</text>" in svg
    assert "font-size: " in svg
    assert "Sans" not in svg


def test_parts_have_classes_and_only_what_is_referred_to_has_a_name() -> None:
    svg = draw()
    assert '<g class="curve first">' in svg
    names = re.findall(r' id="([^"]*)"', svg)
    assert names
    assert all(f"#{name}" in svg for name in names)


def test_nothing_comes_from_outside_and_those_who_cannot_see_are_told() -> None:
    svg = draw()
    assert "http" not in svg
    assert svg.startswith('<svg viewBox="0 0 300 200" role="img" aria-label="What it &lt;shows&gt;">')
    ElementTree.fromstring(svg.replace("xlink:href", "href"))
