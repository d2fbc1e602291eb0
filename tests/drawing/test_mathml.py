"""Formulas as MathML: what stands over and under a line, indices, and the words between."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from neurflow_report.drawing.view import SiteView
from neurflow_report.drawing.write.mathml import mathml


def read(formula: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(f"<all>{mathml(formula)}</all>"))


def said(element: ElementTree.Element) -> str:
    return "".join(element.itertext()).replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("formula", "over", "under"),
    [
        ("w = a_i / Σ_s |b|", "ai", "∑s|b|"),
        ("p = (1 + sets as far out) / (1 + sets)", "1+ sets as far out", "1+ sets"),
        ("T = ∫₀¹ ∂φ_a/∂A_i dα", "∂φa", "∂Ai"),
    ],
)
def test_a_fraction_has_what_stands_on_both_sides_of_its_stroke(formula: str, over: str, under: str) -> None:
    (math,) = read(formula)
    assert [[said(part) for part in found] for found in math.iter("mfrac")] == [[over, under]]


def test_sums_and_means_have_their_index_below() -> None:
    first, second = read("score(a) = mean over v ∈ V_a of |T(a, v)|,   share(i) = Σ_a share(a)")
    assert [[said(part) for part in found] for found in first.iter("munder")] == [["mean", "v∈Va"]]
    assert [[said(part) for part in found] for found in second.iter("munder")] == [["∑", "a"]]
    assert [found.text for found in second.iter("mi")] == ["share", "i", "a", "share", "a"]


def test_what_could_be_markup_is_none() -> None:
    (math,) = read("a < b & c = d")
    assert said(math) == "a<b&c=d"


def test_every_formula_of_the_method_is_whole(view: SiteView) -> None:
    for step in view.method.steps:
        if step.formula:
            told = "".join(said(one) for one in read(step.formula))
            plain = re.sub(r"mean over (.+?) of ", r"mean\1", step.formula.replace("∫₀¹", "∫01").replace("Σ", "∑"))
            short = [re.sub(r"[\s_()/,]", "", text) for text in (told, plain)]
            assert short[0] == short[1], step.formula
