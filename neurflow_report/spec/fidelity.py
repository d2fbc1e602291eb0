"""The section `fidelity` of a spec: experiments, their sizes, and the thresholds of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, create_model, model_validator

from neurflow_report.results.catalogue import CLAIMS, EXPERIMENT_OF, EXPERIMENTS, METHODS, PRESETS, Sizes
from neurflow_report.spec.section import Count, Section, Text, problem, tell, unique

if TYPE_CHECKING:
    Experiment = str
    Method = str
else:
    Experiment, Method = Literal[tuple(EXPERIMENTS)], Literal[tuple(METHODS)]


class Limit(Section):
    """When a claim of the ledger holds; what is left out stays as it is."""

    supported: float | None = Field(
        None, description="The figure from which on the claim is supported.", examples=[0.7]
    )
    against: float | None = Field(
        None,
        description="The figure under which it is not; at most `supported`, which is raised to it where left out, and "
        "equal to it where this is left out.",
        examples=[0.5],
    )
    null_most: float | None = Field(None, description="The most that the null may reach.", examples=[0.3])

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.supported is not None and self.against is not None and self.against > self.supported:
            message = f"found {self.against:g}, expected at most supported, which is {self.supported:g}"
            tell([problem(message, "against", against=("supported",))])
        return self


class _Thresholds(Section):
    """Other thresholds for the claims of the ledger than those of docs/method.md; each a mapping such as
    `{supported: 0.7, against: 0.5}`."""

    def changes(self) -> Mapping[str, Mapping[str, float | None]]:
        """By claim, what is other than in docs/method.md."""
        return {name: limit for name, limit in self.model_dump().items() if limit is not None}


if TYPE_CHECKING:
    Thresholds = _Thresholds
else:
    Thresholds = create_model(
        "Thresholds",
        __base__=_Thresholds,
        __doc__=_Thresholds.__doc__,
        **{
            name: (
                Limit | None,
                Field(
                    None,
                    description=f"{EXPERIMENTS[EXPERIMENT_OF[name]].number}: {claim.defined}.",
                    examples=[dict(claim.example)],
                ),
            )
            for name, claim in CLAIMS.items()
        },
    )
    """A field for each claim of the catalogue."""


class Fidelity(Section):
    """The experiments that test the circuit (METHOD §5). A preset chooses experiments and sizes; each can be set
    alone."""

    preset: Literal["quick", "standard", "paper"] = Field(
        "quick",
        description="What is not set below: quick looks, standard tests, paper has the paper's sizes and more.",
        examples=["standard"],
    )
    experiments: Annotated[tuple[Experiment, ...], AfterValidator(unique)] | None = Field(
        None,
        description=f"Which to run: {', '.join(f'{e.name} ({e.number})' for e in EXPERIMENTS.values())}; default: the "
        "preset's.",
        examples=[["masking", "edges"]],
    )
    taus: Annotated[tuple[Count, ...], AfterValidator(unique)] | None = Field(
        None,
        description="F1: core set sizes τ to test, each at most core.tau; default: core.tau alone.",
        examples=[[4, 8, 16]],
    )
    draws: Count | None = Field(None, description="F1: random sets in each null.", examples=[100])
    targets: Count | None = Field(
        None, description="F2, F3, F6: the most neurons tested at a layer, drawn at random.", examples=[10]
    )
    optimality_draws: Count | None = Field(None, description="F2: random sets.", examples=[50])
    weight_draws: Count | None = Field(
        None, description="F3: random sets of each size; all there are where fewer.", examples=[200]
    )
    patches: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="F2, F3: how many patches the ranks after a knock-out are estimated from, drawn at random; 0: all.",
        examples=[400, 0],
    )
    sizes: Annotated[tuple[Count, ...], Field(min_length=1), AfterValidator(unique)] | None = Field(
        None, description="F3, F4: sizes of the random sets.", examples=[[1, 5, 20]]
    )
    methods: Annotated[tuple[Method, ...], AfterValidator(unique)] | None = Field(
        None,
        description="F4: methods to compare with integrated gradients.",
        examples=[["saliency", "LRP"]],
    )
    method_targets: Count | None = Field(None, description="F4: the most neurons at a layer.", examples=[3])
    ks: Annotated[tuple[Count, ...], Field(min_length=1), AfterValidator(unique)] | None = Field(
        None, description="F6: sizes of the concept to compare with concept.k.", examples=[[30, 70]]
    )
    critical: Literal["methods", "paper"] | None = Field(
        None,
        description="F5: methods compares with NeuronMCT and NeuCEPT; paper also with what the paper's code takes, the "
        "integrated gradients of the logit over the pictures.",
        examples=["paper"],
    )
    noise_draws: Count | None = Field(None, description="F7: draws of noise.", examples=[10])
    edge_draws: Count | None = Field(
        None, description="F11: random sets for each lower group of a drawn edge.", examples=[100]
    )
    quality_targets: Count | None = Field(
        None, description="F12: the most neurons at a layer, drawn at random.", examples=[3]
    )
    concepts_from: Text | None = Field(
        None,
        description="A folder, relative to the spec, with a subfolder of pictures for each concept of your own; tests "
        "at each layer whether the class's logit follows the concept (TCAV).",
        examples=["my-concepts"],
    )
    controls: Annotated[tuple[Literal["random_weights"], ...], AfterValidator(unique)] = Field(
        (),
        description="Other networks to run everything on, shown beside: random_weights, the same network with its "
        "weights drawn at random.",
        examples=[["random_weights"]],
    )
    thresholds: Thresholds = Field(
        default_factory=Thresholds, examples=[{"faithful": {"supported": 0.7, "against": 0.5}}]
    )


def sizes(fidelity: Fidelity) -> Sizes:
    """The preset's sizes with what the spec sets itself."""
    preset = PRESETS[fidelity.preset]
    own = {f.name: getattr(fidelity, f.name) for f in fields(Sizes)}
    return replace(preset, **{name: value for name, value in own.items() if value is not None})
