"""Pictures made for semantic groups on a layer's page: what is said of them, and their addresses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from neurflow_report.drawing.view import site_view
from neurflow_report.drawing.view.pages.layer_page import LayerPage
from neurflow_report.drawing.write.kept_pictures import kept_pictures
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.records import Facet, Facets

MADE = {
    "start": 0.25, "activation": 6.0, "natural": 4.0, "cosine": 0.812, "distance": 3.5, "quantile": 1.0,
}  # fmt: skip


def with_facets(bundle: Bundle, *facets: dict) -> Bundle:
    """The bundle, whose first class has facets of the first neuron of its layer below the logits."""
    first = bundle.classes[0]
    layer = first.layers[-2]
    neuron, file = layer.neurons[0], next(p.file for p in first.pictures if p.file)
    place = {"layer": layer.name, "channel": neuron.channel, "group": neuron.groups[0].index}
    made = tuple(
        Facet(**{**place, **({} if "reason" in one else {"file": file, "tile": file}), **one}) for one in facets
    )
    result = first.model_copy(update={"facets": made})
    run = bundle.run.model_copy(update={"facets": Facets(groups=2, steps=128)})
    return replace(bundle, run=run, classes=(result, *bundle.classes[1:]))


def page_of(bundle: Bundle) -> LayerPage:
    name = bundle.classes[0].layers[-2].name
    return next(page for page in site_view(bundle).layers if page.here == name)


def test_a_facet_is_told_with_its_figures_and_how_it_is_unlike_natural_patches(bundle: Bundle) -> None:
    page = page_of(with_facets(bundle, MADE))
    assert page.facets_words == (
        "Made, not found: each is what 128 steps of gradient ascent came to, from noise, on the neuron's activation "
        "times the cosine to the mean of the semantic group's patches one layer below. It shows what the neuron can "
        "react to in this way, not what is in any picture. Beside it is the mean of the group's patches."
    )
    (one,) = page.facets
    slug = bundle.classes[0].slug
    assert (one.file, one.tile) == (f"class/{slug}/media/facet-0.webp", f"class/{slug}/media/mean-0.webp")
    assert one.text == (
        "Activation 6.00; the strongest natural patch has 4.00, the noise that it began as 0.250. "
        "Cosine to the group's mean 0.81."
    )
    assert one.warning == (
        "Unlike natural patches: 1.5 times the activation of any patch; one layer below it lies further from the "
        "patches' mean (3.50 sd) than all of them."
    )


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"activation": 3.9, "quantile": 0.5}, ""),
        ({"activation": 3.9, "quantile": 0.96},
         "Unlike natural patches: one layer below it lies further from the patches' mean (3.50 sd) than 96% of them."),
        ({"quantile": None, "distance": None}, "Unlike natural patches: 1.5 times the activation of any patch."),
    ],
)  # fmt: skip
def test_only_what_is_unlike_is_warned_of(bundle: Bundle, change: dict, warning: str) -> None:
    assert page_of(with_facets(bundle, MADE | change)).facets[0].warning == warning


def test_where_there_is_none_the_reason_stands(bundle: Bundle) -> None:
    found = with_facets(bundle, {"natural": 0.0, "reason": "it is never active on a natural patch"}, MADE)
    first, second = page_of(found).facets
    assert (first.file, first.tile, first.warning) == ("", "", "")
    assert first.text == "There is no picture: it is never active on a natural patch."
    assert second.file.endswith("/facet-1.webp")
    addresses = [address for address, _ in kept_pictures(found)]
    assert [a.rpartition("/")[2] for a in addresses if "facet" in a or "mean" in a] == ["facet-1.webp", "mean-1.webp"]


def test_without_facets_a_page_says_nothing_of_them(bundle: Bundle) -> None:
    page = page_of(bundle)
    assert (page.facets, page.facets_words) == ((), "")
