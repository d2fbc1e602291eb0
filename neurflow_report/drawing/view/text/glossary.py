"""The field's words, each explained in one sentence with this run's values (METHOD §1–3)."""

from __future__ import annotations

from neurflow_report.drawing.view.model.components import Prose, Span
from neurflow_report.drawing.view.model.numbers import listing
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import Run


def terms(run: Run, *names: str) -> tuple[Prose, ...]:
    """The explanations of the terms named, in that order; the first words of each are the term."""
    return tuple((Span(text=_TERMS[n][0], term=True), Span(text=_fill(_TERMS[n][1], run))) for n in names)


def _fill(text: str, run: Run) -> str:
    s = run.settings
    values = {"tau": str(s.tau), "taus": listing([str(tau) for tau in s.taus]), "k": str(s.k)}
    return text.format(**values, tolerance=f"{100 * s.tolerance:g}%")


_TERMS: dict[str, tuple[str, str]] = {
    "logit": (
        "Logit",
        ": the network's output for one class; the class with the largest is predicted.",
    ),
    "patch": (
        "Patch",
        ": a square window of a picture, shown to the network at full size.",
    ),
    "tau": (
        "τ",
        ": how many core neurons a neuron is given: {tau} in the circuit, {taus} in the tests.",
    ),
    "core": (
        "Core concept neurons",
        " of a neuron: the {tau} channels of the layer below that its activation rests on most.",
    ),
    "semantic": (
        "Semantic group",
        ": a cluster of the {k} patches that excite a neuron most (its concept).",
    ),
    "group": (
        "Neuron group",
        " (G1, G2, …): semantic groups of a layer's core neurons that the layer responds to alike.",
    ),
    "share": (
        "Share",
        ": the part of the logit's absolute weight that flows through a group; a layer's add up to 100%.",
    ),
    "gap": (
        "Completeness gap",
        ": how far attributions miss the activation they should add up to, relative; 0 is exact, {tolerance} accepted.",
    ),
    "silhouette": (
        "Silhouette",
        ": how clearly groups stand apart, from −1 to 1; under 0.1 they are called arbitrary.",
    ),
    "masking": (
        "Masking",
        " "
        + prose("""
            sets the core neurons of a layer to 0; retaining sets all others to 0. Accuracy is the share of the
            class's pictures still predicted as it.
        """),
    ),
    "knockout": (
        "Knock-out",
        ": channels are set to 0 for every picture, and the network runs on without them.",
    ),
    "chance": (
        "Chance",
        ": the same figure with random sets of channels, or with the weights given to other groups.",
    ),
    "control": (
        "Random weights",
        ": the same network with its training undone, put through every test as well.",
    ),
    "ledger": (
        "Supported",
        prose("""
            : the figure reaches the claim's threshold, its 95% interval stays over the lower one, and chance does not
            explain it. Inconclusive: this evidence does not decide.
        """),
    ),
    "weight": (
        "Weight",
        " "
        + prose("""
            W of an edge: the mean signed part that a group of the layer below has in a group's activation. A neuron
            in several groups counts in each, so what feeds a group may add up to more than 1.
        """),
    ),
}
