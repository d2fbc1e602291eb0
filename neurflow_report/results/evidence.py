"""What the experiments found, as frozen records: figures with n, interval and null, the ledger, the cautions (METHOD
§§5–6)."""

from __future__ import annotations

from typing import Literal

from neurflow_report.results.record import Record


class Threshold(Record):
    """When a claim of the ledger holds (METHOD §5).

    Of shares and correlations, larger is better. Between `supported` and `against` it is inconclusive.

    Attributes:
        claim: its name.
        supported: the claim is supported from here on.
        against: it is not supported under this.
        null_most: the most that the null may reach, where the claim says so.
        source: where the numbers come from.
    """

    claim: str
    supported: float
    against: float
    null_most: float | None = None
    source: str


class Masking(Record):
    """F1 at one layer (METHOD.md §5): accuracy with the core set masked, or all others masked (`retain`).

    Accuracies are in 0..1. An interval is None in bundles that did not measure it.

    Attributes:
        mode: mask the core set, or retain it alone.
        layer: its name.
        tau: τ of the core set.
        size, channels: of the core set, and of the layer.
        baseline, accuracy: before and after.
        n: pictures.
        low, high: the 95% Wilson interval.
        null: the accuracies of random sets of the same size.
        p_value: (1 + #{null at least as extreme}) / (1 + len(null)).
        cumulative: the same was done at every layer above, up to the logits, as well.
        drop_low, drop_high: the 95% interval of the drop, baseline − accuracy, picture by picture.
        null_low, null_high: the 95% interval of the null's mean, over sets and pictures.
        null_drop_low, null_drop_high: that of their mean drop.
    """

    mode: Literal["mask", "retain"]
    layer: str
    tau: int
    size: int
    channels: int
    n: int
    baseline: float
    accuracy: float
    low: float
    high: float
    null: tuple[float, ...]
    p_value: float
    cumulative: bool = False
    drop_low: float | None = None
    drop_high: float | None = None
    null_low: float | None = None
    null_high: float | None = None
    null_drop_low: float | None = None
    null_drop_high: float | None = None


class TwoSided(Record):
    """F1 with pictures of other classes beside the class's own (METHOD §5): TPR, FPR and J = TPR − FPR.

    Attributes:
        mode, layer, tau, cumulative, size, channels: as of `Masking`.
        ablation: what removed channels are set to, 0 or their mean over the pictures of all classes.
        n, others: pictures of the class, and of other classes.
        tpr_before, fpr_before: the shares of both that are predicted as the class, with nothing removed.
        tpr, tpr_low, tpr_high: that of the class's own after it, with its 95% Wilson interval.
        fpr, fpr_low, fpr_high: that of the others.
        j, j_low, j_high: TPR − FPR, with Newcombe's 95% interval.
        null: J of random sets of the same size; empty where they were not measured.
        null_low, null_high: the 95% interval of its mean; None where there is no null.
        p_value: (1 + #{null at least as extreme}) / (1 + len(null)).
    """

    mode: Literal["mask", "retain"]
    ablation: Literal["zero", "mean"]
    layer: str
    tau: int
    cumulative: bool
    size: int
    channels: int
    n: int
    others: int
    tpr_before: float
    fpr_before: float
    tpr: float
    tpr_low: float
    tpr_high: float
    fpr: float
    fpr_low: float
    fpr_high: float
    j: float
    j_low: float
    j_high: float
    null: tuple[float, ...] = ()
    null_low: float | None = None
    null_high: float | None = None
    p_value: float | None = None


class Measure(Record):
    """One figure of F2 to F14 (METHOD §5), for a layer or, with `channel`, for one neuron of it.

    Attributes:
        layer, channel: where.
        value: the figure.
        n, unit: over how many of what.
        p_value: one-sided, against chance.
        experiment: its name in the spec.
        case: tells its figures apart (a method, a kind of group).
        setting: the number that was varied (the size of the sets, k).
        low, high: 95% interval over `n` things of the kind `unit`.
        null: what chance gives on average; None where chance has no figure.
        null_low, null_high: its 95% range; None where chance has no figure.
    """

    experiment: str
    layer: str
    channel: int | None = None
    case: str = ""
    setting: int | None = None
    value: float
    low: float
    high: float
    n: int
    unit: str
    null: float | None = None
    null_low: float | None = None
    null_high: float | None = None
    p_value: float | None = None


class NotRun(Record):
    """What was asked for and could not be measured, and why. Empty fields: all of that kind.

    Attributes:
        experiment: its name in the spec.
        layer, case: where.
        reason: why.
    """

    experiment: str
    layer: str = ""
    case: str = ""
    reason: str


class EdgeDrop(Record):
    """F8: W(U, L) and the share of U's activation that goes when L's neurons are knocked out (METHOD §5).

    Attributes:
        upper_layer, upper: U.
        lower_layer, lower: L.
        weight: W(U, L).
        drop: the share of U's activation that goes.
    """

    upper_layer: str
    upper: int
    lower_layer: str
    lower: int
    weight: float
    drop: float


class EdgeEffect(Record):
    """F11: what becomes of an edge's upper group where its lower group's neurons are set to their means (METHOD §5).

    Attributes:
        upper_layer, upper: the group above, by its number.
        lower_layer, lower: the group below.
        drop: the share of the upper group's activation that goes.
        null, null_low, null_high: the same for other neurons as active, its mean and 95% range.
        sets: how many such sets.
        p_value: of as large a drop with them, the edge's own counted in the direction that it is drawn for.
        q_value: the same for the class's drawn edges together.
    """

    upper_layer: str
    upper: int
    lower_layer: str
    lower: int
    drop: float
    null: float
    null_low: float
    null_high: float
    sets: int
    p_value: float
    q_value: float


class Census(Record):
    """F10: which of a layer's channels say nothing of the class (METHOD §5).

    Attributes:
        layer, channels: which, and how many it has.
        silent: those silent on the class's patches.
        saturated: those that hardly vary on them.
    """

    layer: str
    channels: int
    silent: tuple[int, ...]
    saturated: tuple[int, ...]


class OneTau(Record):
    """What the core of a layer at one τ keeps, with all else at its mean (METHOD §5).

    Attributes:
        tau, size: τ, and how many neurons the core has.
        tpr, tpr_low: the share of the class's pictures kept, and Clopper and Pearson's lower 95% bound.
        fpr, fpr_high: the share of other classes' pictures taken for it, and their upper 95% bound.
    """

    tau: int
    size: int
    tpr: float
    tpr_low: float
    fpr: float
    fpr_high: float


class Certificate(Record):
    """The smallest τ at which a layer's core is certified to be enough, by a test from the largest τ down (METHOD §5).

    Attributes:
        layer, channels: which, and how many channels it has.
        tau: the smallest certified; None: not certifiable, not even the largest.
        n, others: pictures of the class that were held out, and of other classes; without either nothing is tried.
        tried: from the largest τ down, as far as the first that failed.
        random_size: the fewest neurons drawn at random of which most sets meet the same bounds; None: no number does.
        needed_n, needed_others: pictures with which the largest τ would pass if it kept and took the same shares; None
            where no number of them would do, or it is certified.
    """

    layer: str
    channels: int
    tau: int | None
    n: int
    others: int
    tried: tuple[OneTau, ...]
    random_size: int | None = None
    needed_n: int | None = None
    needed_others: int | None = None


class Claim(Record):
    """A row of the ledger (METHOD §5): a claim of the method at one layer, and whether the evidence supports it.

    Attributes:
        experiment: what measured it.
        layer: its name; empty where it was not run at all.
        case: tells a claim's rows at a layer apart.
        figure: larger is better.
        low, high: its 95% interval.
        n, unit: over how many of what.
        null: what chance gives.
        p_value: against chance.
        verdict: by its `Threshold`.
        claim: names its `Threshold`.
        null_low, null_high: the 95% interval of `null`, where it has one.
        q_value: `p_value` after Benjamini and Hochberg over the class's tests.
        reason: says in words what the verdict rests on where the figure alone does not.
    """

    claim: str
    experiment: str
    layer: str
    case: str = ""
    figure: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: str = ""
    null: float | None = None
    null_low: float | None = None
    null_high: float | None = None
    p_value: float | None = None
    q_value: float | None = None
    verdict: Literal["supported", "not supported", "inconclusive", "not run"]
    reason: str = ""


class Control(Record):
    """The pipeline on the same pictures with another network (METHOD §5). `logit`: the one whose circuit was taken.

    Attributes:
        name: which other network.
        logit, logit_name: its number and its name.
        masking, two_sided, measures, edge_drops, not_run, claims: as of a class.
    """

    name: str
    logit: int
    logit_name: str
    masking: tuple[Masking, ...]
    measures: tuple[Measure, ...]
    edge_drops: tuple[EdgeDrop, ...]
    not_run: tuple[NotRun, ...]
    claims: tuple[Claim, ...]
    two_sided: tuple[TwoSided, ...] = ()


class Caution(Record):
    """A failure signature (METHOD.md §6), at a layer or one neuron. `figure` is the number that set it off.

    Codes: few-images, few-patches, low-baseline, no-core, dead-neuron, silhouette, completeness, integration,
    saturation, silent, retain-loses, single-group, weak-weights, weak-edges, unstable.

    Attributes:
        code: one of the above.
        layer, channel: where; empty and null for all of the class.
        figure, threshold: what set it off, and what it was held against.
    """

    code: str
    layer: str
    channel: int | None
    figure: float
    threshold: float
