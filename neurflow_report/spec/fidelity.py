"""The section `fidelity` of a spec: experiments, their sizes, and the thresholds of the ledger."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from neurflow_report.spec.section import Count, Section, problem, tell, unique

Experiment = Literal[
    "masking", "optimality", "weights", "methods", "critical", "concepts", "stability", "edges"
]  # fmt: skip
Method = Literal[
    "gradient × input", "saliency", "SmoothGrad", "guided backprop", "GradientSHAP", "DeepLift", "LRP"
]  # fmt: skip


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


class Thresholds(Section):
    """Other thresholds for the claims of the ledger than those of docs/method.md; each a mapping such as
    `{supported: 0.7, against: 0.5}`."""

    needed: Limit | None = Field(
        None, description="F1: drop of the accuracy when the core of a layer is masked.", examples=[{"supported": 0.2}]
    )
    enough: Limit | None = Field(
        None,
        description="F1: accuracy left when only the core of a layer is kept.",
        examples=[{"supported": 0.8, "against": 0.5}],
    )
    needed_upward: Limit | None = Field(
        None, description="F1: the drop, masked from the layer up.", examples=[{"supported": 0.2}]
    )
    enough_upward: Limit | None = Field(
        None,
        description="F1: the accuracy left, kept from the layer up.",
        examples=[{"supported": 0.8, "against": 0.5}],
    )
    optimal: Limit | None = Field(
        None, description="F2: share of random sets that the core set beats.", examples=[{"supported": 0.95}]
    )
    faithful: Limit | None = Field(
        None,
        description="F3: correlation of scores and losses for single channels.",
        examples=[{"supported": 0.7, "against": 0.5}],
    )
    best_method: Limit | None = Field(
        None, description="F4: that correlation less the best other method's.", examples=[{"supported": 0.0}]
    )
    found_by_others: Limit | None = Field(
        None, description="F5: share of the core set that another method finds.", examples=[{"supported": 0.5}]
    )
    robust: Limit | None = Field(
        None, description="F6: overlap of core sets at the worst k.", examples=[{"supported": 0.8}]
    )
    stable: Limit | None = Field(
        None, description="F7: adjusted Rand index under noise.", examples=[{"supported": 0.8}]
    )
    edges: Limit | None = Field(
        None,
        description="F8: correlation of group edges and measured drops.",
        examples=[{"supported": 0.6, "against": 0.3}],
    )


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
        description="Which to run: masking (F1), optimality (F2), weights (F3), methods (F4), critical (F5), concepts "
        "(F6), stability (F7), edges (F8); default: the preset's.",
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
    noise_draws: Count | None = Field(None, description="F7: draws of noise.", examples=[10])
    controls: Annotated[tuple[Literal["random_weights"], ...], AfterValidator(unique)] = Field(
        (),
        description="Other networks to run everything on, shown beside: random_weights, the same network with its "
        "training undone.",
        examples=[["random_weights"]],
    )
    thresholds: Thresholds = Field(
        default_factory=Thresholds, examples=[{"faithful": {"supported": 0.7, "against": 0.5}}]
    )
