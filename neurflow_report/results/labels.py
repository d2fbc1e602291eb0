"""Labels of neuron groups by texts, and the tests that they must pass: their records (METHOD §8)."""

from __future__ import annotations

from typing import Literal

from neurflow_report.results.record import Record


class GroupLabel(Record):
    """A text offered as a label of a neuron group, and what became of it. Figures are None where `reason` says why.

    Attributes:
        layer, group: which.
        text: the one with the largest score on the patches that the group was found on; "" where there was none to
            choose from.
        score: the text's mean standardised value over the group's patches less that over the layer's other groups'.
        pictures, patches: held out, that L1 has choices in.
        choice, choice_low, choice_high: L1, the share of right choices, a picture counting once, with Wilson's
            interval over pictures.
        null: the same by the labels of the layer's other groups; None where no other label is there.
        baseline: the same by the class's name; None where the source gives it no score.
        choice_p: of L1: the larger of those against a half and against the class's name, where that has a score.
        p_value, q_value: the larger of L1's and L3's, alone and corrected over the class's groups; None where either
            could not be tested.
        holds: whether the label passes both; only then it is a name.
        precision, base_rate: L2, the average precision over all patches held out, and what an idle label has.
        correlation: L2, Pearson's r between the text's score and the group's activation.
        effect, effect_low, effect_high: L3, by how much more the class's logit falls without the group on the
            pictures with the higher scores, with Welch's 95% interval: the mean of that among the class's pictures
            and that among those of other classes, each where the scores vary.
        effect_p: how often it is as large where the scores are dealt out anew within each of the two.
        effect_pictures: on each side, of both.
        coherence, coherence_low, coherence_high: without any label, the share of right choices by how near a patch's
            activation at this layer is to the group's.
        coherence_pictures: that it has choices in.
        overlap, overlap_p: of a formula, the best intersection over union with the group's patches, and how often
            formulas do as well with the annotations of other pictures; None for texts.
        reason: why the label was not tested, or nothing.
    """

    layer: str
    group: int
    text: str = ""
    score: float | None = None
    pictures: int = 0
    patches: int = 0
    choice: float | None = None
    choice_low: float | None = None
    choice_high: float | None = None
    null: float | None = None
    baseline: float | None = None
    choice_p: float | None = None
    p_value: float | None = None
    q_value: float | None = None
    holds: bool = False
    precision: float | None = None
    base_rate: float | None = None
    correlation: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    effect_p: float | None = None
    effect_pictures: int = 0
    coherence: float | None = None
    coherence_low: float | None = None
    coherence_high: float | None = None
    coherence_pictures: int = 0
    overlap: float | None = None
    overlap_p: float | None = None
    reason: str = ""


class LabelReply(Record):
    """What a model that is asked for labels answered.

    Attributes:
        layer, group: of which group it was asked.
        question: `label`, what a mosaic of the group shows; `choice`, which of two patches shows the label better, A or
            B; `null`, the same of another group's label; `picture`, whether a picture shows the label.
        text: the label that it was asked about; "" for `label`.
        picture: the sha256 of the PNG file that was sent.
        reply: as it came.
        right: of a choice, whether it is the group's patch: 1, 0, or a half where it could not be read; else None.
    """

    layer: str
    group: int
    question: str
    text: str
    picture: str
    reply: str
    right: float | None = None


class LabelSource(Record):
    """Where labels come from.

    Attributes:
        source: as in the spec.
        name: of the model or the file, without its path.
        vocabulary: the texts that were offered, in their order.
        digests: each file that was read, by its name, and its sha256.
    """

    source: Literal["demo", "annotations", "openclip", "transformers", "endpoint"]
    name: str
    vocabulary: tuple[str, ...]
    digests: tuple[tuple[str, str], ...] = ()
