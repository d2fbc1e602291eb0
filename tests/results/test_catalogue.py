"""The catalogue: sentences that stand broken into lines are read in one, and every entry can be told."""

from __future__ import annotations

from neurflow_report.fidelity import layer_experiments
from neurflow_report.results.catalogue import CAUTIONS, CLAIMS, EXPERIMENTS, HELD_OUT, PRESETS, prose


def test_prose_is_one_line_and_leaves_what_is_put_in_as_it_is() -> None:
    name = "a  b\u2028c"
    assert (
        prose(f"""
        The class {name} is
        lost.
    """)
        == f"The class {name} is lost."
    )


def test_a_claim_s_caution_is_there_and_a_headline_is_the_experiment_s_own() -> None:
    codes = {code for code, single in CAUTIONS if not single}
    for claim in CLAIMS.values():
        assert claim.caution in {"", *codes}
        assert claim.supported >= claim.against
    for experiment in EXPERIMENTS.values():
        assert experiment.headline in {"", *(claim.name for claim in experiment.claims)}


def test_numbers_are_one_each_and_every_preset_runs_what_it_says() -> None:
    assert [e.number for e in EXPERIMENTS.values()] == [f"F{n}" for n in range(1, len(EXPERIMENTS) + 1)]
    assert PRESETS["quick"].experiments == (
        *("masking", "optimality", "weights", "stability", "edges"),
        *("polysemanticity", "channels", "deletions"),
    )
    assert PRESETS["standard"].experiments == PRESETS["paper"].experiments == tuple(EXPERIMENTS)


def test_what_the_report_says_is_measured_on_pictures_held_out_is() -> None:
    names = tuple(EXPERIMENTS)
    assert {"masking"} | {e.name for e in layer_experiments(names) if e.held_out} == HELD_OUT
