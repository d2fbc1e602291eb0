"""What the report says of an automatic τ, word for word, from records made up here."""

from __future__ import annotations

from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.pages.certified import certificate_table, certificate_words
from neurflow_report.drawing.view.text.limits import of_class
from neurflow_report.fidelity.certificates import needs
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.contradictions import contradictions
from neurflow_report.results.records import Certificate, OneTau

GOOD = OneTau(tau=8, size=12, tpr=1.0, tpr_low=0.86, fpr=0.1, fpr_high=0.17)
LESS = OneTau(tau=7, size=10, tpr=0.95, tpr_low=0.784, fpr=0.1, fpr_high=0.17)
POOR = OneTau(tau=8, size=9, tpr=0.6, tpr_low=0.4, fpr=0.1, fpr_high=0.17)


def of(bundle: Bundle, *certificates: Certificate) -> Index:
    settings = bundle.run.settings.model_copy(update={"automatic": True, "tau": 8, "enough": 0.8, "false_alarms": 0.3})
    result = bundle.classes[0].model_copy(update={"certificates": certificates})
    assert list(contradictions(bundle.run, [result])) == []
    return Index(bundle.run.model_copy(update={"settings": settings}), result)


def row(layer: str, *tried: OneTau, tau: int | None = None, **more: int | None) -> Certificate:
    return Certificate(layer=layer, channels=32, tau=tau, n=20, others=80, tried=tried, **more)


def test_what_is_certified_and_what_it_would_take(bundle: Bundle) -> None:
    short = needs(LESS, enough=0.8, false_alarms=0.3)
    index = of(
        bundle,
        row("layer1", POOR),
        row("layer2.0", LESS.model_copy(update={"tau": 8}), **short),
        row("layer3", GOOD, LESS, tau=8, random_size=20),
    )
    assert list(certificate_words(index)) == [
        "τ is automatic. The core of a layer alone, with all else at its mean, was tested at τ = 8, then at ever "
        "smaller ones, on 20 pictures of the class and 80 of other classes. A τ is certified while the lower 95% bound "
        "of TPR is at least 80% and the upper one of FPR at most 30%; the first that fails ends it. The circuit has "
        "τ = 8, certified at 1 of 3 layers.",
        "layer1 is not certifiable: at τ = 8 its core keeps 60% of the class and takes 10% of the others. No number of "
        "pictures would do for these shares; a larger core might.",
        "layer2.0 is not certifiable: at τ = 8 its core keeps 95% of the class and takes 10% of the others. With these "
        f"shares it would take pictures held out: {short['needed_n']} of the class.",
    ]
    table = certificate_table(index)
    assert table is not None
    assert [[cell.text for cell in line] for line in table.rows] == [
        ["layer3", "8", "12 of 32", "100% (over 86%)", "10% (under 17%)",
         "τ = 7: 95% (over 78%), 10% (under 17%)", "20"],
        ["layer2.0", "not certifiable", "10 of 32", "95% (over 78%)", "10% (under 17%)",
         "τ = 8: 95% (over 78%), 10% (under 17%)", "no number"],
        ["layer1", "not certifiable", "9 of 32", "60% (over 40%)", "10% (under 17%)",
         "τ = 8: 60% (over 40%), 10% (under 17%)", "no number"],
    ]  # fmt: skip
    (notice,) = (n for n in of_class(index) if n.code == "not-certifiable")
    assert notice.title == "The core is not certified to be enough at layer1 and layer2.0: 2 of 3 layers"


def test_without_pictures_of_other_classes_nothing_is_certified(bundle: Bundle) -> None:
    nothing = Certificate(layer="layer3", channels=32, tau=None, n=20, others=0, tried=())
    index = of(bundle, nothing)
    told = "τ is the largest: without pictures of other classes nothing can be certified."
    assert list(certificate_words(index)) == [told]
    assert certificate_table(index) is None


def test_without_pictures_held_out_nothing_is_certified(bundle: Bundle) -> None:
    nothing = Certificate(layer="layer3", channels=32, tau=None, n=0, others=24, tried=())
    (told,) = certificate_words(of(bundle, nothing))
    assert told.startswith("τ is the largest: without pictures held out nothing can be certified.")
    (notice,) = (n for n in of_class(of(bundle, nothing)) if n.code == "not-certifiable")
    assert notice.text == "It takes pictures that are held out, and pictures of other classes: here there are none."


def test_a_tau_that_was_given_has_no_words(bundle: Bundle) -> None:
    assert list(certificate_words(Index(bundle.run, bundle.classes[0]))) == []
