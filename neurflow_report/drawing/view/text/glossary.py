"""The field's words, each explained in one sentence with this run's values (METHOD §1–3)."""

from __future__ import annotations

from dataclasses import dataclass

from neurflow_report.drawing.view.model.numbers import listing
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import Run


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word of the field: its place on the method's page, how it is written there, and what it means in this run."""

    id: str
    term: str
    text: str


def words(run: Run) -> dict[str, Word]:
    """Every word by its key, in the order of the glossary."""
    return {
        key: Word(id=f"term-{key}", term=term, text=_sentence(term, _fill(text, run)))
        for key, (term, text) in _TERMS.items()
    }


def _sentence(term: str, rest: str) -> str:
    """What stands behind a term as a sentence of its own."""
    text = rest.removeprefix(":").strip()
    return f"{text[0].upper()}{text[1:]}" if rest.startswith(":") else f"{term} {text}"


def _fill(text: str, run: Run) -> str:
    s = run.settings
    values = {
        "tau": f"up to {s.tau}" if s.automatic else str(s.tau),
        "taus": listing([str(tau) for tau in s.taus]),
        "k": str(s.k),
    }
    return text.format(**values, tolerance=f"{100 * s.tolerance:g}%")


_TERMS: dict[str, tuple[str, str]] = {
    "logit": (
        "Logit",
        ": the network's output for one class; the class with the largest logit is predicted.",
    ),
    "patch": (
        "Patch",
        ": a square window of a picture, resized to the network's input.",
    ),
    "tau": (
        "τ",
        ": how many core neurons a neuron is given: {tau} in the circuit, {taus} in the tests.",
    ),
    "neuron": (
        "Neuron",
        ": one channel of a layer, averaged over space; n12 is channel 12.",
    ),
    "concept": (
        "Concept",
        ": the {k} patches that excite a neuron most.",
    ),
    "core": (
        "Core",
        prose("""
            : the neurons of a layer that the class rests on most. Each neuron above has {tau} core concept neurons,
            those with the largest score; a layer's core is all of them together.
        """),
    ),
    "score": (
        "Score",
        ": the mean size of the attribution that a neuron above gives a neuron below, over its concept.",
    ),
    "semantic": (
        "Semantic group",
        ": a cluster within a neuron's concept: patches to which the layer below responds alike.",
    ),
    "group": (
        "Neuron group",
        ": a cluster of the semantic groups of a layer's core; G1 has the largest share.",
    ),
    "share": (
        "Share",
        ": the part of the class's logit that goes through a neuron or group; a layer's shares add up to 100%.",
    ),
    "flow": (
        "Flow",
        ": the share that an upper group hands to a lower one; what goes into a group adds up to its share.",
    ),
    "gap": (
        "Completeness gap",
        ": how far attributions miss the activation they should add up to, as a share of it; {tolerance} is accepted.",
    ),
    "silhouette": (
        "Silhouette",
        ": how clearly groups stand apart, from −1 to 1; under 0.1 they hardly do.",
    ),
    "masking": (
        "Masking",
        " "
        + prose("""
            sets the core neurons of a layer to 0; retaining sets all others to their mean, or to 0 as the paper does.
            Accuracy is the share of the class's pictures still predicted as it; J takes off the share of other classes'
            pictures that are, too.
        """),
    ),
    "knockout": (
        "Knock-out",
        ": setting neurons to 0 and running the network without them.",
    ),
    "chance": (
        "Chance",
        ": the same figure with as many random neurons, or with the groups shuffled.",
    ),
    "control": (
        "Random weights",
        ": the same network with random weights, put through every test as well.",
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
            (w, W): the signed part that a neuron below has in a neuron's activation (w), and its mean between two
            groups (the paper's W). A neuron in several groups counts in each, so the W into a group may add up to more
            than 1.
        """),
    ),
}
