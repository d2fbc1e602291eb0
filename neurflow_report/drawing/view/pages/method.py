"""The method's definitions with this run's values (METHOD §1–3 and §5), in a reader's words."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.components import Cell, Column, Page, Span, Table
from neurflow_report.drawing.view.model.numbers import listing, percent
from neurflow_report.drawing.view.pages import PageKind
from neurflow_report.drawing.view.pages.class_page import selection
from neurflow_report.drawing.view.text.glossary import Word, words
from neurflow_report.results.catalogue import EXPERIMENTS, Experiment, prose
from neurflow_report.results.records import Run, Settings
from neurflow_report.results.verdict import RULE

_RULES = {
    "cells": prose("""
        The integral is a sum over cells of the path, with mean slopes in each; how much it changes when the cells
        are halved estimates its error.
    """),
    "gauss": "The integral is a sum over Gauss–Legendre nodes, and the gap stands for its error, too.",
}


@dataclass(frozen=True, kw_only=True)
class MethodStep:
    """A definition of the method with this run's values; `formula` is set apart, `where` says its symbols and units;
    `brief`: it stands among the experiments, which are told in a few lines each."""

    id: str
    title: str
    text: tuple[str, ...]
    formula: str = ""
    where: str = ""
    brief: bool = False


@dataclass(frozen=True, kw_only=True)
class MethodPage(Page):
    """The method, as this run used it; `words`: the terms of the report, each explained in a sentence."""

    lead: str
    words: tuple[Word, ...]
    steps: tuple[MethodStep, ...]
    settings: Table
    layers: Table


def method_page(run: Run) -> MethodPage:
    """The page of the method as this run used it."""
    return MethodPage(
        path=urls.METHOD,
        title="Method",
        description="How the circuits were computed, with the values of this run",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW),),
        here="Method",
        lead=prose("""
            NeurFlow (arXiv:2502.16105, ICLR 2025) explains a class by groups of neurons. These are its steps, with
            the values that this run used.
        """),
        words=tuple(sorted(words(run).values(), key=lambda word: word.term.casefold())),
        steps=(
            *_objects(run),
            *_attribution(run.settings),
            *_groups(run),
            *_shares(),
            *_masking(run),
            *_experiments(run.settings),
            *_verdict(run),
        ),
        settings=_settings(run.settings),
        layers=_layers(run),
    )


def _objects(run: Run) -> tuple[MethodStep, ...]:
    s, size = run.settings, run.model.preprocess.size
    sides = [max(1, int(scale * size)) for scale in s.scales]
    return (
        MethodStep(
            id="patches",
            title="Pictures and patches",
            text=(
                prose(f"""
                    The pictures of a class are {selection(run)}. At the model's input size of {size} × {size}, each is
                    cut into square patches {listing([f"{side}" for side in sides])} pixels wide, {percent(s.stride)} of
                    a side apart. Every patch is resized bilinearly to {size} × {size}.
                """),
            ),
        ),
        MethodStep(
            id="concept",
            title="Neuron, activation, concept",
            text=(
                prose(f"""
                    A neuron is one channel of a declared layer. Its activation on a patch is the channel's mean over
                    space, in the model's own activation units. Its concept is the {s.k} patches of the class with the
                    largest activation.
                """),
            ),
            formula="V_a = the k patches v with the largest φ_a(v)",
            where=f"k = {s.k}; ties go to the earlier patch",
        ),
    )


def _attribution(s: Settings) -> tuple[MethodStep, ...]:
    return (
        MethodStep(
            id="attribution",
            title="Attribution and core concept neurons",
            text=(
                prose(f"""
                    Integrated gradients say how much of a neuron's activation comes through each neuron of the layer
                    below, against an activation of 0 everywhere. The score of a neuron below is the mean size of its
                    attribution over the concept; the {"τ" if s.automatic else s.tau} with the largest scores are the
                    core concept neurons. A score of exactly 0 never counts.{_automatic(s)}
                """),
                prose(f"""
                    Attributions should add up to the activation they explain. How far they miss it, as a share of it,
                    is the completeness gap. {_RULES[s.rule]} Patches with a gap or an error over
                    {100 * s.tolerance:g}% are integrated again with more steps, from {s.nodes} up to {s.max_nodes};
                    what stays over is listed as a caution.
                """),
            ),
            formula="T(a, i, v) = Σ A_i ∫₀¹ ∂φ_a/∂A_i (αA) dα,   score(a, i) = mean over v ∈ V_a of |T(a, i, v)|",
            where="A: the layer below's activation on patch v; Σ over space; T and score in activation units of a",
        ),
    )


def _groups(run: Run) -> tuple[MethodStep, ...]:
    s = run.settings
    low, top = run.layers[0].name, run.layers[-1].name
    return (
        MethodStep(
            id="semantic",
            title="Semantic groups and edge weights",
            text=(
                prose(f"""
                    A neuron may answer to several things. Its concept is clustered (Ward, Euclidean) by the
                    activations of all neurons of the layer below; the number of clusters, 2 to {s.max_semantic}, is
                    the one with the best mean silhouette. At the lowest layer, {low}, that layer's own activations
                    are used. Within each semantic group the mean attributions of the core neurons, scaled so that
                    their absolute values add up to 1, are the edge weights.
                """),
            ),
            formula="w(a, i, j) = T̄(a, i, j) / Σ_s |T̄(a, s, j)|",
            where="T̄: mean over the patches of semantic group j; s runs over the core neurons of a; w signed, no unit",
        ),
        MethodStep(
            id="groups",
            title="Neuron groups and the circuit",
            text=(
                prose(f"""
                    All semantic groups of a layer's core neurons are clustered again (Ward, by their mean activation
                    vectors), into 2 to {s.max_neuron} neuron groups by silhouette. A neuron whose semantic groups
                    fall into several neuron groups is polysemantic. The weight between two neuron groups is the mean,
                    over the upper group's members, of the summed weights of their core neurons that have a semantic
                    group in the lower one.
                """),
                prose(f"""
                    The search starts at the logit ({top}) and goes down: the core neurons of all neurons found at a
                    layer are the neurons found at the next, as far as {low}.
                """),
            ),
            formula="W(U, L) = mean over (a, j) ∈ U of Σ_i w(a, i, j)",
            where="i: a core neuron of a with a semantic group in L, counted once for each L; W signed, no unit",
        ),
    )


def _shares() -> tuple[MethodStep, ...]:
    return (
        MethodStep(
            id="shares",
            title="Shares, flow and names",
            text=(
                prose("""
                    A neuron's share is the part of the logit that goes through it. It is lent to the neuron's groups in
                    proportion to the part of its concept in each, and handed down in proportion to the size of its
                    weights. Nothing is counted twice: the shares of a layer add up to 100%, less what ends in neurons
                    without a core. An edge is as wide as its flow, the share that it carries.
                """),
                prose("""
                    A group's mosaic takes patches from its neurons in proportion to what they lend it, the strongest
                    neuron's first. Its name is given by hand, or is the planted part that at least 60% of its patches
                    show. From 30% on it is the two commonest parts; under that, "mixed". Where nobody knows the parts,
                    it is a label that tells the group's patches from others and that the class's logit hangs on.
                """),
            ),
            formula="share(i) = Σ_a share(a) Σ_j p(a, j) |w(a, i, j)|,   share(G) = Σ_i share(i) p(i, G)",
            where="p(a, j): the part of a's concept in semantic group j; p(i, G): the part of i's concept in group G",
        ),
    )


def _verdict(run: Run) -> tuple[MethodStep, ...]:
    if not run.settings.experiments:
        return ()
    return (MethodStep(id="verdict", title="A class's verdict", text=(RULE,), brief=True),)


def _automatic(s: Settings) -> str:
    """How τ came about where it was not given."""
    if not s.automatic:
        return ""
    return prose(f"""
         Of each class τ is the smallest, up to {s.tau}, at which the core of every layer that can be certified is: on
        pictures held out the core alone, with all else at its mean, keeps at least {percent(s.enough)} of the class and
        takes at most {percent(s.false_alarms)} of the others, by bounds that each hold with 95%.
    """)


def _masking(run: Run) -> tuple[MethodStep, ...]:
    s = run.settings
    if not s.experiments:
        return ()
    return (
        MethodStep(
            id="masking",
            title="Masking and retaining (F1)",
            text=(
                prose(f"""
                    On the class's pictures, one layer at a time, the core neurons are set to 0 (masking), or all
                    others are (retaining). Accuracy is the share of pictures predicted as the class, with Wilson's
                    95% interval. τ tried: {listing([str(t) for t in s.taus])}. Chance is {s.draws} random sets of
                    the same size.
                """),
                *_held_out(run),
                *_of_others(run),
            ),
            formula="p = (1 + random sets at least as extreme) / (1 + random sets)",
            where=f"smallest possible value here: {1 / (1 + s.draws):.3f}; seed {s.seed}",
        ),
    )


def _held_out(run: Run) -> tuple[str, ...]:
    share = run.data.holdout
    if not share:
        return ()
    return (
        prose(f"""
            Of a class with 40 pictures or more, {percent(share)} are held out: its circuit is found on the others,
            and masking and edges (F8) are measured on these. The picture itself and the seed say on which side it is.
        """),
    )


def _of_others(run: Run) -> tuple[str, ...]:
    """That pictures of other classes are measured; bundles before did not."""
    if "masking" not in run.settings.experiments or not run.data.others:
        return ()
    return (
        prose(f"""
            Pictures of other classes, up to {run.data.others} for each of the class's and as many of each class, are
            measured beside: TPR is the share of the class's pictures predicted as the class, FPR that of the others,
            and J = TPR − FPR. Channels are set to 0, or to their mean over all these pictures, place by place. “Enough”
            is judged by J with all but the core at their mean; with the others at 0, TPR is the paper's figure.
        """),
    )


def _experiments(s: Settings) -> tuple[MethodStep, ...]:
    """F2 to F14, those that were run: what they ask, how they measure it, and how large they were."""
    return tuple(
        MethodStep(
            id=e.name, title=f"{e.question} ({e.number})", text=(f"{e.words} {_size(s, e)}".rstrip(),), brief=True
        )
        for e in EXPERIMENTS.values()
        if e.name in s.experiments and e.name != "masking"
    )


def _size(s: Settings, experiment: Experiment) -> str:
    """How large an experiment was; "" where a bundle of an older format does not say."""
    text, known = experiment.sizes, {key: value for key, value in s.model_dump().items() if value}
    asked = {key for _, key, _, _ in Formatter().parse(text) if key}
    return text.format(**{key: _spelt(known[key]) for key in asked}) if asked <= set(known) else ""


def _settings(s: Settings) -> Table:
    rows = [(name, value) for name, value in s.model_dump().items() if name != "thresholds"]
    return Table(
        caption="Every setting, under its name in the spec",
        columns=(Column(label="Setting"), Column(label="Value")),
        rows=tuple((Cell(text=name), Cell(text=_spelt(value))) for name, value in rows),
    )


def _spelt(value: object) -> str:
    return (", ".join(str(v) for v in value) if isinstance(value, tuple | list) else str(value)) or "none"


def _layers(run: Run) -> Table:
    return Table(
        caption="Layers, from input to output",
        columns=(
            Column(label="Layer"),
            Column(label="Kind"),
            Column(label="Neurons", numeric=True),
            Column(label="Shape", numeric=True),
        ),
        rows=tuple(
            (
                Cell(text=x.name),
                Cell(text=x.kind),
                Cell(text=f"{x.channels:,}"),
                Cell(text=" × ".join(map(str, x.shape))),
            )
            for x in run.layers
        ),
    )


PAGE = PageKind(
    name="method",
    template="site/method.html",
    build=lambda data: [method_page(data.indices[0].run)],
    order=80,
    menu="Method",
)
