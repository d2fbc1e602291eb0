"""Every experiment, every claim and every caution, once: its number, what it asks, in which unit, against which
threshold from which source, and its words (METHOD §§5–6). What the ledger, the pages and the plan say of them is made
from these (docs/how-to/add-an-experiment.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from neurflow_report.results.evidence import Threshold

PAPER = "NeurFlow's own figures"
HERE = "set by this project; the paper gives none"
Unit = Literal["share", "correlation", "figure"]
STABILITY_NOISE = 0.05
"""By how much F7 puts activations up or down, at most."""
HARDLY = 0.01
"""The part of its mean under which the standard deviation of a channel that F10 calls saturated is."""
QUALITY_SETS, QUALITY_NOISE, QUALITY_DRAWS = 100, 0.02, 10
"""Of F12: the random sets, by how much noise puts activations up or down at most, and how often it is drawn."""
EVERY = frozenset({"quick", "standard", "paper"})
"""The presets, all of them."""
METHODS = ("gradient × input", "saliency", "SmoothGrad", "guided backprop", "GradientSHAP", "DeepLift", "LRP")
"""The attribution methods that F4 compares with integrated gradients."""


TWO_SIDED = "J, mean ablation"
"""The case of a claim of F1 that is judged with pictures of other classes; bundles before have none."""


def prose(text: str) -> str:
    """Text in one line, however it was broken; blanks within a line stay."""
    return " ".join(line.strip() for line in text.strip().split("\n"))


@dataclass(frozen=True, kw_only=True)
class ClaimKind:
    """What an experiment can show.

    Attributes:
        statement: the claim.
        measured: its figure, in `unit`.
        defined: the same where the spec tells of its thresholds, with an `example` of them.
        one_sided: its figure in bundles that have no pictures of other classes, where that is another.
        refuted: what it means where it is not supported.
        caution: the code of the caution that says the same, "" where there is none.
    """

    name: str
    statement: str
    measured: str
    defined: str
    unit: Unit
    refuted: str
    supported: float
    against: float
    null_most: float | None = None
    source: str = HERE
    caution: str = ""
    one_sided: str = ""
    example: Mapping[str, float] = field(default_factory=lambda: {"supported": 0.8})

    @property
    def threshold(self) -> Threshold:
        """When it holds, unless the spec says otherwise."""
        return Threshold(
            claim=self.name,
            supported=self.supported,
            against=self.against,
            null_most=self.null_most,
            source=self.source,
        )


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment of the catalogue.

    Attributes:
        name: in the spec.
        number: in METHOD §5.
        question: its heading.
        words: how it is answered.
        tests: the same as "whether …", for what was not tested.
        axis: what its figures are, in `unit`.
        varied: what tells the rows of a layer apart, "" where nothing does.
        row, cell: how a chart and a table name a row, with {case} and {setting} of the bundle's record.
        sizes: how large it was, with the fields of the bundle's settings.
        presets: which of the spec's run it.
        shares_ablations: whether it shares the knock-outs of random and core sets.
        needs: a Python package, and the extra that brings it.
        headline: the claim whose thresholds its chart shows.
        beside: what stands beside its figures in a table.
        wide: whether its table has a row a layer and its cases side by side, without a chart.
    """

    name: str
    number: str
    question: str
    words: str
    tests: str
    claims: tuple[ClaimKind, ...]
    axis: str = ""
    unit: Unit = "correlation"
    varied: str = ""
    row: str = "{case}"
    cell: str = "{case}"
    sizes: str = ""
    presets: frozenset[str] = frozenset({"standard", "paper"})
    shares_ablations: bool = False
    needs: tuple[str, str] | None = None
    headline: str = ""
    beside: str = "Chance"
    wide: bool = False

    @property
    def seed(self) -> int:
        """Its number alone: its part of the seeds of what it draws."""
        return int(self.number.removeprefix("F"))


@dataclass(frozen=True, kw_only=True)
class CautionKind:
    """A failure signature (METHOD §6).

    Attributes:
        single: of one neuron, else of a layer or the class.
        of_evidence: whether it makes the evidence weak, rather than the circuit.
    """

    code: str
    title: str
    meaning: str
    single: bool = False
    of_evidence: bool = False


EXPERIMENTS: Mapping[str, Experiment] = {
    e.name: e
    for e in (
        Experiment(
            name="masking",
            number="F1",
            question="Does the class need its core neurons?",
            words=prose("""
                On the class's pictures, one layer at a time, the core neurons are set to 0 (masking), or all others
                are (retaining). Pictures of other classes show whether the core alone still tells the class from them.
            """),
            tests="whether the class survives without its core neurons",
            unit="share",
            presets=EVERY,
            claims=(
                ClaimKind(
                    name="needed",
                    statement="The class needs the core of the layer",
                    measured="drop in accuracy",
                    defined="drop in accuracy when the core of a layer is masked",
                    unit="share",
                    refuted="the class survives without the core",
                    supported=0.5,
                    against=0.5,
                    null_most=0.1,
                    source=PAPER,
                    example={"supported": 0.2},
                ),
                ClaimKind(
                    name="enough",
                    statement="The core of the layer alone is enough",
                    measured="J: own pictures kept minus others taken",
                    defined="J = TPR − FPR when all but the core of a layer are at their mean",
                    unit="share",
                    refuted="the class is lost with the core alone, or other classes are mistaken for it",
                    supported=0.5,
                    against=0.5,
                    caution="retain-loses",
                    one_sided="accuracy left",
                    example={"supported": 0.8, "against": 0.5},
                ),
                ClaimKind(
                    name="needed_upward",
                    statement="The class needs the core from the layer up",
                    measured="drop in accuracy",
                    defined="the drop, masked from the layer up",
                    unit="share",
                    refuted="the class survives without the circuit from this layer up",
                    supported=0.5,
                    against=0.5,
                    example={"supported": 0.2},
                ),
                ClaimKind(
                    name="enough_upward",
                    statement="The core from the layer up is enough",
                    measured="J: own pictures kept minus others taken",
                    defined="the same J, kept from the layer up",
                    unit="share",
                    refuted="the class is lost with this circuit alone, or other classes are mistaken for it",
                    supported=0.5,
                    against=0.5,
                    one_sided="accuracy left",
                    example={"supported": 0.8, "against": 0.5},
                ),
            ),
        ),
        Experiment(
            name="optimality",
            number="F2",
            question="Do core sets matter more than random sets?",
            words=prose("""
                A core set is knocked out, and the class's patches are ranked again by the neuron's activation: the
                fewer of its concept's patches stay on top, the more the concept rests on the set. The figure is the
                share of random sets of the same size that leave more of the concept.
            """),
            tests="whether core sets matter more to a neuron than random sets",
            axis="random sets that the core sets beat",
            unit="share",
            row="",
            sizes="Here: at most {targets} core neurons of each layer, {optimality_draws} random sets for each.",
            shares_ablations=True,
            headline="optimal",
            presets=EVERY,
            claims=(
                ClaimKind(
                    name="optimal",
                    statement="Core sets matter more than random sets",
                    measured="random sets beaten",
                    defined="share of random sets that the core set beats",
                    unit="share",
                    refuted="many random sets matter as much to a neuron as its core",
                    supported=0.95,
                    against=0.95,
                    source=PAPER,
                    example={"supported": 0.95},
                ),
            ),
        ),
        Experiment(
            name="weights",
            number="F3",
            question="Do the scores predict what a knock-out does?",
            words=prose("""
                Random sets of neurons are knocked out. r is the correlation, over these sets, of the sum of their
                scores with the share of the concept that is lost; the figure of a layer is the mean over its neurons.
            """),
            tests="whether the scores predict what a knock-out does",
            axis="correlation r of scores and losses",
            varied="Size of sets",
            row="sets of size {setting}",
            cell="{setting}",
            sizes=prose("""
                Here: at most {targets} core neurons of each layer, {weight_draws} random sets for each, of size
                {sizes}.
            """),
            shares_ablations=True,
            headline="faithful",
            presets=EVERY,
            claims=(
                ClaimKind(
                    name="faithful",
                    statement="Scores predict what a knock-out does",
                    measured="correlation r",
                    defined="correlation of scores and losses for single neurons",
                    unit="correlation",
                    refuted="a neuron's score says little about what happens without it",
                    supported=0.6,
                    against=0.4,
                    source=PAPER,
                    caution="weak-weights",
                    example={"supported": 0.7, "against": 0.5},
                ),
            ),
        ),
        Experiment(
            name="methods",
            number="F4",
            question="Would another attribution method do better?",
            words=prose("""
                The same sets and losses, and the same correlation r, with the scores of other methods. How long
                each took is on the provenance page.
            """),
            tests="whether other attribution methods predict knock-outs better",
            axis="correlation r of scores and losses",
            varied="Method",
            cell="{case}, sets of size {setting}",
            sizes="Here: {methods}; at most {method_targets} core neurons of each layer.",
            shares_ablations=True,
            needs=("captum", "run"),
            claims=(
                ClaimKind(
                    name="best_method",
                    statement="No other attribution method predicts knock-outs clearly better",
                    measured="difference of r",
                    defined="that correlation less the best other method's",
                    unit="correlation",
                    refuted="another attribution method predicts knock-outs better",
                    supported=-0.05,
                    against=-0.05,
                    example={"supported": 0.0},
                ),
            ),
        ),
        Experiment(
            name="critical",
            number="F5",
            question="Do other methods find the same neurons?",
            words=prose("""
                Methods that look for a class's neurons directly, without a circuit. Each one's strongest neurons, as
                many as there are core neurons, are compared with these; chance is the overlap of two random sets of
                that size.
            """),
            tests="whether other methods find the same neurons",
            axis="share of the core neurons found",
            unit="share",
            varied="Method",
            headline="found_by_others",
            claims=(
                ClaimKind(
                    name="found_by_others",
                    statement="Other methods find the same neurons",
                    measured="share of the core set",
                    defined="share of the core set that another method finds",
                    unit="share",
                    refuted="other methods find other neurons",
                    supported=0.9,
                    against=0.9,
                    source=PAPER,
                    example={"supported": 0.5},
                ),
            ),
        ),
        Experiment(
            name="concepts",
            number="F6",
            question="Does the choice of k matter?",
            words=prose("""
                Core neurons are looked for again with other numbers k of patches in a concept. The figure is the
                share of the circuit's core neurons that is found again; chance is that share for as many neurons
                drawn at random.
            """),
            tests="whether k matters",
            axis="overlap with the core sets of the circuit",
            unit="share",
            varied="k",
            row="k = {setting}",
            cell="{setting}",
            sizes="Here: k = {ks}.",
            headline="robust",
            claims=(
                ClaimKind(
                    name="robust",
                    statement="Core neurons stay the same when k changes",
                    measured="overlap at the worst k",
                    defined="overlap of core sets at the worst k",
                    unit="share",
                    refuted="with another k, other neurons become core",
                    supported=0.86,
                    against=0.86,
                    source=PAPER,
                ),
            ),
        ),
        Experiment(
            name="stability",
            number="F7",
            question="Are the groups stable?",
            words=prose(f"""
                Every activation is raised or lowered by up to {STABILITY_NOISE:.0%} and the patches are grouped again.
                The adjusted Rand index is 1 where the groups stay the same, and 0 where they agree no more than by
                chance. Where n counts draws, 95% of the draws lie in the interval; it says nothing about other
                pictures.
            """),
            tests="whether the groups are stable",
            axis="adjusted Rand index",
            varied="Groups",
            sizes="Here: {noise_draws} draws of the noise.",
            headline="stable",
            presets=EVERY,
            claims=(
                ClaimKind(
                    name="stable",
                    statement="Groups stay the same under a little noise",
                    measured="adjusted Rand index",
                    defined="adjusted Rand index under noise",
                    unit="correlation",
                    refuted="the groups change under a little noise",
                    supported=0.8,
                    against=0.5,
                    caution="unstable",
                ),
            ),
        ),
        Experiment(
            name="edges",
            number="F8",
            question="Do the edge weights predict what a knock-out takes away?",
            words=prose("""
                Each group's neurons are knocked out, and the share of every upper group's activation that is lost is
                measured. r is the correlation of these drops with the edge weights; chance is the same with the groups
                shuffled. The interval treats the pairs as independent, but pairs that share a group are not: the true
                interval is probably wider.
            """),
            tests="whether edge weights predict what a knock-out takes away",
            axis="correlation r of edges and measured drops",
            headline="edges",
            presets=EVERY,
            claims=(
                ClaimKind(
                    name="edges",
                    statement="Edge weights predict what a knock-out takes away",
                    measured="correlation r",
                    defined="correlation of group edges and measured drops",
                    unit="correlation",
                    refuted="an edge says little about what happens without its lower group",
                    supported=0.6,
                    against=0.4,
                    caution="weak-edges",
                    example={"supported": 0.6, "against": 0.3},
                ),
            ),
        ),
        Experiment(
            name="polysemanticity",
            number="F9",
            question="Do neurons stand for several things?",
            words=prose("""
                How far apart a neuron's semantic groups are for the layer below: 1 less the mean cosine of their mean
                activations. At 0 its groups look alike, towards 1 they have nothing in common. Chance is the same for
                its concept split at random into parts of these sizes. The groups were made to differ, so a figure over
                chance is no test. The figure of a layer is the mean over its neurons with several groups.
            """),
            tests="whether neurons stand for several things",
            axis="distance between a neuron's semantic groups",
            presets=EVERY,
            claims=(),
        ),
        Experiment(
            name="channels",
            number="F10",
            question="Which channels say nothing about the class?",
            words=prose(f"""
                A class-silent channel is never above 0 on any patch of the class. A saturated one is, but hardly
                varies: its standard deviation is under {HARDLY:.0%} of its mean. All channels and patches are counted,
                so there is no interval.
            """),
            tests="which channels say nothing",
            axis="share of the layer's channels",
            unit="share",
            varied="Channels",
            presets=EVERY,
            claims=(),
        ),
        Experiment(
            name="causal",
            number="F11",
            question="Does a drawn edge carry an effect?",
            words=prose("""
                The neurons of an edge's lower group are set to their means over the class's patches, and the share of
                the upper group's activation that goes is held against the same for other neurons as active, as many.
                All drawn edges of the class are tested together: where an edge counts, the chance that any does
                without cause is at most 5%. The figure of a layer is the share of its drawn edges that count.
            """),
            tests="whether drawn edges carry an effect",
            axis="drawn edges with an effect beyond that of neurons as active",
            unit="share",
            sizes="Here: {edge_draws} random sets for each lower group.",
            headline="causal",
            claims=(
                ClaimKind(
                    name="causal",
                    statement="Drawn edges carry an effect of their own",
                    measured="edges with an effect",
                    defined="share of the drawn edges whose effect is beyond that of neurons as active",
                    unit="share",
                    refuted="other neurons as active matter as much to an upper group as those of its lower groups",
                    supported=0.5,
                    against=0.2,
                    example={"supported": 0.5, "against": 0.2},
                ),
            ),
        ),
        Experiment(
            name="quality",
            number="F12",
            question="How good are the attributions?",
            words=prose(f"""
                Infidelity is how far the attributions of a random set of channels are, added up, from what goes when
                the set is set to 0, as a share of the variance of that: 0 is exact, at 1 they say no more than one
                number for all sets would. Max-sensitivity is the largest change of the attributions, relative to their
                size, in {QUALITY_DRAWS} draws of noise of up to {QUALITY_NOISE:.0%} in the activations below. Beside
                each stands the same with the weights between the two layers drawn anew. These are descriptions, and no
                test.
            """),
            tests="how good the attributions are",
            axis="quality of the attributions, 0 the best",
            unit="figure",
            beside="weights drawn anew",
            wide=True,
            sizes=f"Here: {{quality_targets}} core neurons of each layer at most, {QUALITY_SETS} random sets for each.",
            claims=(),
        ),
    )
}
"""By the name in the spec, in the order of METHOD §5."""

CLAIMS: Mapping[str, ClaimKind] = {claim.name: claim for e in EXPERIMENTS.values() for claim in e.claims}
EXPERIMENT_OF: Mapping[str, str] = {claim.name: e.name for e in EXPERIMENTS.values() for claim in e.claims}
"""The experiment that each claim rests on."""
LOGIT_IG = "IG of the logit"
"""F5's case of what the paper's own code compares with."""
HELD_OUT = frozenset({"masking", "edges"})
"""The experiments that are measured on pictures held out, where there are some."""
ABLATING = frozenset(e.name for e in EXPERIMENTS.values() if e.shares_ablations)
"""The experiments that share the knock-outs of random and core sets."""

CAUTIONS: Mapping[tuple[str, bool], CautionKind] = {
    (c.code, c.single): c
    for c in (
        CautionKind(
            code="few-images",
            title="Few pictures",
            meaning="All figures on the class rest on these pictures alone, and the intervals are wide.",
            of_evidence=True,
        ),
        CautionKind(
            code="few-patches",
            title="Concepts hold most of the patches",
            meaning=prose("""
                They say little about what excites a neuron and what does not. More pictures would help, or a smaller
                k.
            """),
            of_evidence=True,
        ),
        CautionKind(
            code="low-baseline",
            title="The network seldom predicts this class",
            meaning=prose("""
                Few of these pictures are predicted as the class to begin with, so masking has little to take away.
            """),
            of_evidence=True,
        ),
        CautionKind(
            code="no-core",
            title="The circuit ends here",
            meaning="Nothing at the layer below gets any attribution, so nothing lower was found or tested.",
        ),
        CautionKind(
            code="dead-neuron",
            single=True,
            title="Dead neurons",
            meaning=prose("""
                They never rise above 0, or never change, on any patch: the patches shown for them mean nothing.
            """),
        ),
        CautionKind(
            code="silhouette",
            title="Neuron groups that hardly stand apart",
            meaning="Another way to group the neurons would be as good.",
        ),
        CautionKind(
            code="silhouette",
            single=True,
            title="Semantic groups that hardly stand apart",
            meaning=prose("""
                The patches of such a neuron do not fall into clear groups. Read little into the ones shown.
            """),
        ),
        CautionKind(
            code="completeness",
            single=True,
            title="Inexact attributions",
            meaning=prose("""
                Their attributions do not add up to the activation they explain. Weights may be off by as much.
            """),
        ),
        CautionKind(
            code="integration",
            single=True,
            title="Coarse attributions",
            meaning=prose("""
                The integral behind their attributions is less accurate than asked for. Raise attribution.max_nodes in
                the spec.
            """),
        ),
        CautionKind(
            code="saturation",
            title="The core is over half of the layer",
            meaning=prose("""
                Masking and retaining so much of a layer says little about which neurons matter.
            """),
            of_evidence=True,
        ),
        CautionKind(
            code="retain-loses",
            title="The core alone is not enough",
            meaning="Much of the class is lost when only the core is kept: something that matters lies outside it.",
            of_evidence=True,
        ),
        CautionKind(
            code="silent",
            title="Silent neurons make random sets a weak comparison",
            meaning=prose("""
                Random sets often hold such neurons, and masking them changes nothing. So the core beats random sets
                more easily than it should.
            """),
            of_evidence=True,
        ),
        CautionKind(
            code="weak-weights",
            title="Scores predict knock-outs poorly",
            meaning=prose("""
                Knock-outs of the neurons below agree poorly with their scores. Read the scores and weights of this
                layer as attributions, not as effects.
            """),
            of_evidence=True,
        ),
        CautionKind(
            code="weak-weights",
            single=True,
            title="Neurons whose scores predict knock-outs poorly",
            meaning=prose("""
                Knock-outs of the neurons below such a neuron agree poorly with their scores. Read its core neurons and
                weights as attributions, not as effects.
            """),
            of_evidence=True,
        ),
        CautionKind(
            code="weak-edges",
            title="Edge weights predict knock-outs poorly",
            meaning=prose("""
                Knock-outs of the groups below agree poorly with their edge weights. Read the edges down from this layer
                as attributions, not as effects.
            """),
            of_evidence=True,
        ),
        CautionKind(
            code="unstable",
            title="Unstable groups",
            meaning=prose("""
                So little noise in the activations gives other groups. Read little into what is grouped together.
            """),
            of_evidence=True,
        ),
        CautionKind(
            code="single-group",
            single=True,
            title="Only one semantic group",
            meaning=prose("""
                All patches of such a neuron look alike to the layer, so there was nothing to group.
            """),
        ),
        CautionKind(
            code="single-group",
            title="Only one neuron group",
            meaning="The layer's neurons could not be told apart; the circuit shows them as one group.",
        ),
    )
}
"""By code, and whether it is about one neuron."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How large the experiments are: the fields are those of the spec's section `fidelity`, every value known."""

    experiments: tuple[str, ...]
    draws: int
    targets: int
    optimality_draws: int
    weight_draws: int
    patches: int
    sizes: tuple[int, ...]
    methods: tuple[str, ...]
    method_targets: int
    ks: tuple[int, ...]
    noise_draws: int
    edge_draws: int
    quality_targets: int
    critical: str = "methods"


def _of_preset(name: str) -> tuple[str, ...]:
    return tuple(e.name for e in EXPERIMENTS.values() if name in e.presets)


PRESETS: Mapping[str, Sizes] = {
    "quick": Sizes(
        experiments=_of_preset("quick"),
        draws=40,
        targets=6,
        optimality_draws=40,
        weight_draws=64,
        patches=400,
        sizes=(1,),
        methods=METHODS,
        method_targets=1,
        ks=(30, 70),
        noise_draws=5,
        edge_draws=40,
        quality_targets=2,
    ),
    "standard": Sizes(
        experiments=_of_preset("standard"),
        draws=50,
        targets=20,
        optimality_draws=80,
        weight_draws=200,
        patches=0,
        sizes=(1, 5, 20),
        methods=METHODS,
        method_targets=3,
        ks=(30, 70, 110, 190),
        noise_draws=10,
        edge_draws=100,
        quality_targets=3,
    ),
    "paper": Sizes(
        experiments=_of_preset("paper"),
        draws=100,
        targets=50,
        optimality_draws=100,
        weight_draws=500,
        patches=0,
        sizes=(1, 5, 10, 20, 50),
        methods=METHODS,
        method_targets=8,
        ks=(30, 50, 70, 90, 110, 130, 150, 170, 190),
        noise_draws=20,
        critical="paper",
        edge_draws=200,
        quality_targets=8,
    ),
}
"""`paper` draws 100 sets for F1 where METHOD §5 has 20: with 20 no p-value is under 0.048, which no correction for the
number of tests lets pass."""
