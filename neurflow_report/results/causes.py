"""Why a picture is taken for a class: the records of a debugged picture (METHOD §7).

The margin M = z_p − z_q is the logit of the class that the picture is taken for less that of the class it is held
against. Figures are in units of the logits, positive where they speak for p.
"""

from __future__ import annotations

from typing import Literal

from neurflow_report.results.record import Record


class Cause(Record):
    """A neuron group's part in the margin.

    Attributes:
        group: its number at its layer.
        foretold: s_G, the integrated gradients of M to its neurons, each by the part of its concept in the group.
        measured: how much M falls when its neurons are set to 0.
        without: the class that the picture is taken for then.
        presence: how strongly it shows in the picture, 1 being its neurons' mean on their own concepts; no cause. None
            where none of its neurons is ever active.
        null, null_low, null_high: the mean of what `sets` random sets do, and where 95% of them lie; None where the
            group is not tested.
        sets: sets of as many neurons of each block of near |φ| on the picture.
        p_value, q_value: alone, and by a step-down over all groups of the layer.
        map: how much each place of the picture has to do with it, rows of the digits 0 to 9; none where the layer has
            no space, and for groups that are not among the largest.
    """

    group: int
    foretold: float
    measured: float
    without: str
    presence: float | None = None
    null: float | None = None
    null_low: float | None = None
    null_high: float | None = None
    sets: int = 0
    p_value: float | None = None
    q_value: float | None = None
    map: tuple[str, ...] = ()


class WhatIf(Record):
    """What the network says with the neurons of some groups set to 0.

    Attributes:
        removed: the groups' numbers.
        predicted: the class that the picture is then taken for.
        margin: M then.
    """

    removed: tuple[int, ...]
    predicted: str
    margin: float


class LayerCauses(Record):
    """The margin of a picture at one layer: all `foretold`, `outside`, `baseline` and `rest` add up to it.

    Attributes:
        layer: its name.
        causes: of each group, the largest |foretold| first.
        outside: what goes through neurons that are in no group.
        baseline: M with the whole layer at 0.
        rest: what the integral's error and rounding leave.
        largest: the numbers of the groups that the what-ifs are about, in the order of `causes`.
        what_ifs: one for each choice of these; number b has the n-th removed where bit n of b is set.
        flip: the smallest set of groups found, one at a time, without which the picture is taken for another class;
            None where none was found.
    """

    layer: str
    causes: tuple[Cause, ...]
    outside: float
    baseline: float
    rest: float
    largest: tuple[int, ...]
    what_ifs: tuple[WhatIf, ...]
    flip: WhatIf | None = None


class Debugged(Record):
    """A picture, and why it is taken for what it is taken for, by the circuit of the class in whose record it stands.

    Attributes:
        name: within the data set, or that of the file without its folder.
        sha256: as that of a Picture.
        label: the data's class, where it is known.
        file: its name under pictures/.
        found_on: whether the class's circuit was found on it.
        p, predicted: the logit of the class that it is taken for, and its name.
        q, against: those of the class that it is held against.
        contrast: whether that is its true class, or the one with the second largest logit.
        margin: M.
        layers: from the logit down, without the logit's own.
    """

    name: str
    sha256: str
    label: str | None
    file: str
    found_on: bool
    p: int
    predicted: str
    q: int
    against: str
    contrast: Literal["truth", "runner_up"]
    margin: float
    layers: tuple[LayerCauses, ...]


class Unexplained(Record):
    """A picture that was asked for and has no circuit to be explained by.

    Attributes:
        name: as that of a Debugged.
        reason: why.
    """

    name: str
    reason: str


class Debugging(Record):
    """Which pictures a run was to explain.

    Attributes:
        images: `misclassified`, or `named` where the spec or a command names them.
        limit: how many at most.
        contrast: as the spec asks for.
        labelled: labelled pictures that the run looked at; 0 where pictures are named.
        mistakes: how many of them the network takes for another class than theirs.
        explained: how many pictures are explained, in the records of all classes.
        unexplained: those that cannot be.
    """

    images: Literal["misclassified", "named"]
    limit: int
    contrast: Literal["truth", "runner_up"]
    labelled: int
    mistakes: int
    explained: int
    unexplained: tuple[Unexplained, ...] = ()
