"""Edits of a report that look as if nothing were wrong: digests are renewed, and what else is easily made to fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neurflow_report.errors import Path as Place
from neurflow_report.fidelity.intervals import clopper_pearson, difference_interval, wilson
from tests.mutated import renew

Edit = Callable[[Path], None]
CLASS, OTHER = "firebell", "snowstar"


@contextmanager
def record(root: Path, name: str = f"classes/{CLASS}.json") -> Iterator[Any]:
    """A record of the bundle at `root`/bundle, to be changed; then every digest is right again."""
    file = root / "bundle" / name
    value = json.loads(file.read_text(encoding="utf-8"))
    yield value
    file.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    renew(root / "bundle", file)


def of_class(change: Callable[[Any], None]) -> Edit:
    def edit(root: Path) -> None:
        with record(root) as value:
            change(value)

    return edit


def of_run(change: Callable[[Any], None]) -> Edit:
    def edit(root: Path) -> None:
        with record(root, "run.json") as value:
            change(value)

    return edit


def text(name: str, old: str, new: str) -> Edit:
    """A drawn file with something else in it."""

    def edit(root: Path) -> None:
        file = root / name
        before = file.read_text(encoding="utf-8")
        assert old in before
        file.write_text(before.replace(old, new, 1), encoding="utf-8")

    return edit


def edges(value: Any) -> list[Any]:
    """The edges of the first semantic group that has two of different weight."""
    found = (g["edges"] for layer in value["layers"] for a in layer["neurons"] for g in a["groups"])
    return next(one for one in found if len({abs(e["weight"]) for e in one}) > 1)


def _exchange(one: Any, other: Any, key: str) -> None:
    one[key], other[key] = other[key], one[key]


def _half(value: Any) -> None:
    edges(value)[0]["weight"] /= 2


def _two_weights(value: Any) -> None:
    found = sorted(edges(value), key=lambda e: abs(e["weight"]))
    _exchange(found[0], found[-1], "weight")


def _sign(value: Any) -> None:
    edge = max(edges(value), key=lambda e: abs(e["weight"]))
    edge["weight"] = -edge["weight"]


def _two_shares(value: Any) -> None:
    groups = next(layer["groups"] for layer in value["layers"] if len({g["share"] for g in layer["groups"]}) > 1)
    _exchange(groups[0], groups[-1], "share")


def _moved_edge(value: Any) -> None:
    heads = {(e["upper_layer"], e["upper"], e["lower_layer"], e["lower"]) for e in value["edges"]}
    for edge in value["edges"]:
        for lower in range(1, 9):
            ends = (edge["upper_layer"], edge["upper"], edge["lower_layer"], lower)
            there = any(
                layer["name"] == edge["lower_layer"] and any(g["index"] == lower for g in layer["groups"])
                for layer in value["layers"]
            )
            if there and ends not in heads:
                edge["lower"] = lower
                return
    value["edges"][0]["weight"] += 0.25


def _verdict(value: Any) -> None:
    claim = next(c for c in value["claims"] if c["verdict"] in {"not supported", "inconclusive"})
    claim["verdict"], claim["reason"] = "supported", ""


def _claim(name: str, by: float) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        claim = next(c for c in value["claims"] if c[name] is not None)
        claim[name] = round(claim[name] - by, 7) if claim[name] > by else claim[name] + by

    return change


def _row(name: str, value: float) -> Callable[[Any], None]:
    def change(found: Any) -> None:
        row = next(m for m in found["masking"] if m[name] != value)
        row[name] = value

    return change


def _null(value: Any) -> None:
    row = next(m for m in value["masking"] if m["mode"] == "mask")
    row["null"] = [0.0 if row["accuracy"] < 1 else x for x in row["null"]]
    row["null"][0] = 0.3


def _patch(value: Any) -> None:
    patch = next(p for p in value["patches"] if p["side"] < 60 and p["left"] > 0)
    patch["left"] -= 1


def _concept(value: Any) -> None:
    neuron = value["layers"][0]["neurons"][0]
    other = next(p["index"] for p in value["patches"] if p["index"] not in neuron["concept"])
    neuron["concept"][0] = other


def _activation(value: Any) -> None:
    value["layers"][0]["neurons"][0]["groups"][0]["activation"] *= 1.5


def _scores(value: Any) -> None:
    core = next(a["core"] for layer in value["layers"] for a in layer["neurons"] if len(a["core"]) > 1)
    _exchange(core[0], core[-1], "score")


def _caution(value: Any) -> None:
    value["cautions"].remove(next(c for c in value["cautions"] if c["code"] != "silent"))


def _figure(value: Any) -> None:
    caution = next(c for c in value["cautions"] if c["code"] in {"retain-loses", "saturation", "completeness"})
    caution["figure"] *= 0.9
    caution["figure"] -= 0.05


def _original(value: Any) -> None:
    value["pictures"][0]["sha256"] = "0" * 64


def _measure(value: Any) -> None:
    measure = next(m for m in value["measures"] if m["channel"] is None and m["experiment"] == "optimality")
    measure["value"] = (measure["low"] + measure["high"]) / 2 + 0.01


def _drop(value: Any) -> None:
    value["edge_drops"][0]["weight"] += 0.125


def _group(value: Any) -> None:
    """A patch moves from one semantic group to another."""
    groups = next(a["groups"] for layer in value["layers"] for a in layer["neurons"] if len(a["groups"]) > 1)
    groups[0]["patches"].append(groups[1]["patches"].pop(0))


def _two_pictures(root: Path) -> None:
    """Two pictures of the bundle are exchanged, and every digest is renewed."""
    value = json.loads((root / "bundle" / "classes" / f"{CLASS}.json").read_text(encoding="utf-8"))
    one, other = [root / "bundle" / "pictures" / p["file"] for p in value["pictures"] if p["file"]][:2]
    left, right = one.read_bytes(), other.read_bytes()
    one.write_bytes(right)
    other.write_bytes(left)
    renew(root / "bundle", one, other)


def _renamed(value: Any) -> None:
    """Two records name each other's pictures."""
    one, other = [p for p in value["pictures"] if p["file"]][:2]
    _exchange(one, other, "file")


def _format(number: int) -> Edit:
    """The bundle says that it is of an earlier format, and a verdict is changed."""

    def edit(root: Path) -> None:
        of_class(_verdict)(root)
        file = root / "bundle" / "manifest.json"
        file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"format_version": number}))
        renew(root / "bundle")

    return edit


def _clock(text: str) -> Edit:
    def edit(root: Path) -> None:
        file = root / "bundle" / "manifest.json"
        manifest = json.loads(file.read_text(encoding="utf-8"))
        manifest["provenance"]["clock"]["created"] = text
        file.write_text(json.dumps(manifest))
        renew(root / "bundle")

    return edit


def _reason(verdict: str) -> Edit:
    return of_class(lambda v: next(c for c in v["claims"] if c["verdict"] == verdict).update(reason="proved"))


def _two(**changes: float) -> Edit:
    """F1 with pictures of other classes, channels at 0."""
    return of_class(lambda v: v["two_sided"][0].update(changes))


def _kept(value: Any) -> None:
    """A share of the class's pictures, and all of the row that follows from it."""
    row = next(r for r in value["two_sided"] if r["ablation"] == "zero" and r["tpr"] != r["tpr_before"])
    own, others = (row["tpr_before"], wilson(row["tpr_before"] * row["n"], row["n"])), (
        row["fpr"], (row["fpr_low"], row["fpr_high"]),
    )  # fmt: skip
    j_low, j_high = difference_interval(*own, *others)
    row.update(tpr=own[0], tpr_low=own[1][0], tpr_high=own[1][1], j=own[0] - row["fpr"], j_low=j_low, j_high=j_high)


def _purity(value: Any) -> None:
    found = (g["agreement"] for layer in value["layers"] for g in layer["groups"])
    found = next(a for a in found if a["part"] == a["commonest"][0][0] and a["purity"] < 1)
    found["purity"] = (1 + found["purity"]) / 2


IN_RECORDS: dict[str, Edit] = {
    "a weight halved": of_class(_half),
    "two weights exchanged": of_class(_two_weights),
    "a weight's sign": of_class(_sign),
    "a share": of_class(lambda v: v["layers"][0]["groups"][0].update(share=0.9)),
    "two shares exchanged": of_class(_two_shares),
    "an edge's weight": of_class(lambda v: v["edges"][0].update(weight=v["edges"][0]["weight"] * 1.1)),
    "an edge left out": of_class(lambda v: v["edges"].pop(0)),
    "an edge's end": of_class(_moved_edge),
    "a verdict": of_class(_verdict),
    "a claim's figure": of_class(_claim("figure", 0.01)),
    "a claim's p": of_class(_claim("p_value", 0.01)),
    "a claim's q": of_class(_claim("q_value", 0.01)),
    "a claim left out": of_class(lambda v: v["claims"].pop()),
    "an accuracy": of_class(_row("accuracy", 0.25)),
    "a baseline": of_class(_row("baseline", 0.75)),
    "an interval": of_class(_row("low", 0.01)),
    "a p-value": of_class(_row("p_value", 0.04761905)),
    "a null": of_class(_null),
    "a core's size": of_class(lambda v: v["masking"][0].update(size=v["masking"][0]["size"] + 1)),
    "a patch moved": of_class(_patch),
    "a patch exchanged": of_class(_concept),
    "a patch in another group": of_class(_group),
    "a group's activation": of_class(_activation),
    "two scores exchanged": of_class(_scores),
    "a caution left out": of_class(_caution),
    "a caution's figure": of_class(_figure),
    "an original's digest": of_class(_original),
    "two originals exchanged": of_class(lambda v: _exchange(v["pictures"][0], v["pictures"][1], "sha256")),
    "two pictures exchanged": _two_pictures,
    "two pictures exchanged in the records": of_class(_renamed),
    "a picture's region": of_class(lambda v: v["pictures"][0]["region"].update(left=1.0)),
    "a figure of an experiment": of_class(_measure),
    "an edge's drop": of_class(_drop),
    "the title": of_run(lambda r: r.update(title="Small, and sure")),
    "the seed": of_run(lambda r: r["settings"].update(seed=7)),
    "the accuracy": of_run(lambda r: r["accuracy"].update(right=r["accuracy"]["right"] - 1)),
    "format 2": _format(2),
    "format 1": _format(1),
    "a day that is none": _clock("2030-13-45T99:00:00Z"),
    "a word for a time": _clock("yesterday"),
    "a time without its zone": _clock("2026-01-02T03:04:05"),
    "where the network comes from": of_run(lambda r: r["model"].update(source="torchvision")),
    "the network's name": of_run(lambda r: r["model"].update(name="resnet50")),
    "the network's weights": of_run(lambda r: r["model"].update(weights="none")),
    "how much is held out": of_run(lambda r: r["data"].update(holdout=0.25)),
    "an experiment left out": of_run(lambda r: r["settings"]["experiments"].pop()),
    "the reason of what is supported": _reason("supported"),
    "the reason of what is inconclusive": _reason("inconclusive"),
    "a share of other pictures": _two(fpr=0.03),
    "Wilson's bound of other pictures": _two(fpr_high=0.01),
    "J": _two(j=0.93),
    "Newcombe's bound": _two(j_low=-0.5),
    "what was kept before": _two(tpr_before=0.0),
    "a share and what follows from it": of_class(_kept),
    "a purity": of_class(_purity),
    "what is predicted": of_class(lambda v: v["pictures"][1].update(predicted=OTHER)),
    "all that is predicted": of_class(lambda v: [p.update(predicted=OTHER) for p in v["pictures"]]),
    "how many were looked at": of_run(lambda r: r["data"].update(pool=4)),
    "a picture of the class among the others": of_class(lambda v: v["others"].__setitem__(0, v["pictures"][0]["name"])),
    "what was measured is not run": of_class(
        lambda v: v["not_run"].append(
            {"experiment": "masking", "layer": "", "case": "", "reason": "no time"},
        )
    ),
    "τ": of_run(lambda r: r["settings"].update(tau=5)),
}
"""Those that the bundle alone gives away."""


def explained_exchanged(root: Path) -> None:
    """Two explained pictures are exchanged, and every digest is renewed."""
    value = json.loads((root / "bundle" / "classes" / f"{CLASS}.json").read_text(encoding="utf-8"))
    one, other = [root / "bundle" / "pictures" / d["file"] for d in value["debugged"]]
    left, right = one.read_bytes(), other.read_bytes()
    one.write_bytes(right)
    other.write_bytes(left)
    renew(root / "bundle", one, other)


def _certified(value: Any) -> Any:
    """The certificate at block4, which passes at τ 4, 3 and 2, and fails at 1."""
    found = next(c for c in value["certificates"] if c["layer"] == "block4")
    assert (found["tau"], [one["tau"] for one in found["tried"]]) == (2, [4, 3, 2, 1])
    return found


def _of_tau(tau: int, **changes: Any) -> Edit:
    def change(value: Any) -> None:
        next(one for one in _certified(value)["tried"] if one["tau"] == tau).update(changes)

    return of_class(change)


def _counts(value: Any) -> None:
    """More pictures of the class, and all that follows from their number."""
    found = _certified(value)
    found["n"] = 60
    for one in found["tried"]:
        one["tpr_low"] = clopper_pearson(60, 60, 0.05)[0]


def _passes_at_1(value: Any) -> None:
    """The last τ passes too: fewer pictures of other classes are taken, with the bound that they have."""
    found = _certified(value)
    found["tried"][-1].update(fpr=0.0625, fpr_high=clopper_pearson(2, 32, 0.05)[1])
    found["tau"] = 1


def _fails_at_2(value: Any) -> None:
    """τ = 2 fails, with the bound of the pictures taken: what comes after it is not tried."""
    found = _certified(value)
    found["tried"][-2].update(fpr=0.28125, fpr_high=clopper_pearson(9, 32, 0.05)[1])
    found["tried"].pop()
    found["tau"] = 3


CERTIFICATE, TRIED = ("certificates", 1), ("certificates", 1, "tried")
IN_FULL: dict[str, tuple[Edit, Place]] = {
    "two explained pictures exchanged": (explained_exchanged, ("debugged", 0, "file")),
    "two explained pictures exchanged in the records": (
        of_class(lambda v: _exchange(v["debugged"][0], v["debugged"][1], "file")), ("debugged", 0, "file"),
    ),
    "the lower bound": (_of_tau(3, tpr_low=0.81), (*TRIED, 1, "tpr_low")),
    "the upper bound": (_of_tau(2, fpr_high=0.2), (*TRIED, 2, "fpr_high")),
    "a share that no pictures have": (_of_tau(3, tpr=0.93), (*TRIED, 1, "tpr")),
    "a core's size": (_of_tau(2, size=1), (*TRIED, 2, "size")),
    "a larger core's size": (_of_tau(4, size=1), (*TRIED, 0, "size")),
    "pictures that are not there": (of_class(_counts), (*CERTIFICATE, "n")),
    "a τ certified that failed": (of_class(lambda v: _certified(v).update(tau=1)), (*CERTIFICATE, "tau")),
    "a larger τ": (of_class(lambda v: _certified(v).update(tau=3)), (*CERTIFICATE, "tau")),
    "what failed left out": (of_class(lambda v: _certified(v)["tried"].pop()), TRIED),
    "the first left out": (of_class(lambda v: _certified(v)["tried"].pop(0)), TRIED),
    "the last passes": (of_class(_passes_at_1), ("certificates",)),
    "one fails": (of_class(_fails_at_2), ("certificates",)),
    "needed pictures": (of_class(lambda v: v["certificates"][0].update(needed_n=4)), ("certificates", 0, "needed_n")),
    "needed others": (
        of_class(lambda v: v["certificates"][0].update(needed_others=90)), ("certificates", 0, "needed_others"),
    ),
    "one left out": (of_class(lambda v: v["certificates"].pop(0)), ("certificates",)),
    "the largest τ": (of_run(lambda r: r["settings"].update(tau=5)), ("settings", "tau")),
    "what is enough": (of_run(lambda r: r["settings"].update(enough=0.7)), ("settings", "enough")),
    "that τ is automatic": (of_run(lambda r: r["settings"].update(automatic=False)), ("certificates",)),
}  # fmt: skip
"""The same of explained pictures and certificates, and where each is found."""


def _two_on_the_site(root: Path) -> None:
    one, other = sorted((root / "site").rglob("*.webp"))[:2]
    left, right = one.read_bytes(), other.read_bytes()
    one.write_bytes(right)
    other.write_bytes(left)


def _silhouette(value: Any) -> None:
    neuron = next(a for layer in value["layers"] for a in layer["neurons"] if (a["silhouette"] or 0) > 0.2)
    neuron["silhouette"] = min(0.99, neuron["silhouette"] + 0.1)


def _pdf(root: Path) -> None:
    file = root / "report.pdf"
    data = file.read_bytes()
    at = data.index(b"startxref")
    file.write_bytes(data[:at] + b"StartXref" + data[at + 9 :])


def _longer(root: Path) -> None:
    with (root / "appendix.pdf").open("ab") as file:
        file.write(b"%\n")


IN_WHAT_IS_DRAWN: dict[str, Edit] = {
    "a figure in a page": text("site/index.html", "%", " %"),
    "a word in a page": text(f"site/class/{CLASS}/index.html", "supported", "Supported"),
    "a script in a page": text("site/index.html", "</body>", "<script>0</script></body>"),
    "what hides cautions": text("site/static/site.css", "}", "}.caution{display:none}"),
    "a figure in a table": text("site/data/groups.json", "1", "2"),
    "two pictures of the site": _two_on_the_site,
    "a figure that nothing rests on": of_class(_silhouette),
    "a page left out": lambda root: (root / "site" / "method" / "index.html").unlink(),
    "a file too many": lambda root: (root / "site" / "extra.html").write_text("more"),
    "a word of the PDF": _pdf,
    "more after the PDF": _longer,
    "a word of the single file": text("report.html", "supported", "Supported"),
}
"""Those that only the drawing gives away."""
