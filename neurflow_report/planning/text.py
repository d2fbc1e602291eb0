"""A plan as people read it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import yaml

from neurflow_report.planning.records import Fit, Plan, PlannedClass, PlannedStage
from neurflow_report.progress import duration
from neurflow_report.results.catalogue import prose


def lines(plan: Plan) -> list[str]:
    """The plan, line by line."""
    found = [
        prose(f"""
            {plan.title}: {_classes(plan.classes)}, {plan.patches_per_picture} patches a picture, k {plan.k}, τ
            {plan.tau}
        """),
        prose(f"""
            {plan.device}, {plan.precision}, {size(plan.memory)} for activations: {plan.forward_rows} pictures a
            forward pass
        """),
        "",
        *_layers(plan),
        "",
        *_stages(plan),
        "",
        f"peak memory: about {size(plan.peak)}",
        *_measured(plan),
    ]
    if plan.targets == "most":
        found.append("no pictures were looked at: counted as if no two targets shared a core neuron")
    found.append("drawing the site and the PDF comes on top; nothing was written")
    return [*found, *(["", *_fit(plan.fit)] if plan.fit else [])]


def _measured(plan: Plan) -> list[str]:
    """What the figures come from."""
    verb = "counted" if plan.seconds is None else "timed"
    found = [f"loaded in {duration(plan.loading)}; {verb} for {duration(plan.measuring)}"]
    rest = [stage for stage in plan.stages if not stage.measured]
    if not rest:
        return found
    share = f", {_share(plan, rest)} of the time" if plan.seconds else ""
    return [*found, f"*: not all of it was {verb}{share}: extrapolated by multiply-adds from the rest"]


def _share(plan: Plan, stages: Sequence[PlannedStage]) -> str:
    share = sum(stage.seconds or 0.0 for stage in stages) / (plan.seconds or 1.0)
    return "under 1%" if share < 0.005 else f"{share:.0%}"


def _fit(fit: Fit) -> list[str]:
    """The sizes that fit, ready to be set, and what they cannot show."""
    time, takes = duration(fit.within), duration(fit.seconds)
    if not fit.fits:
        found = [
            prose(f"""
                within {time}: nothing fits; the least takes about {takes}, and fewer classes or layers, or a smaller
                core.tau, would take less
            """)
        ]
    elif not fit.set:
        found = [f"within {time}: the spec fits as it is, about {takes}"]
    else:
        found = [f"within {time}: these sizes fit, about {takes}"]
    for name in fit.larger:
        found.append(f"so would the preset {name}: --set fidelity.preset={name}")
    if fit.set:
        found += ["", *(f"    {line}" for line in _block(fit.set)), "", f"or: {_options(fit.set)}"]
    return [*found, "", "what these sizes cannot show:", *(f"- {text}" for text in fit.unable)] if fit.unable else found


def _block(settings: Sequence[tuple[str, object]]) -> list[str]:
    """The settings as they stand in a spec."""
    tree = dict[str, dict[str, object]]()
    for path, value in settings:
        section, _, key = path.partition(".")
        tree.setdefault(section, {})[key] = value
    return yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, allow_unicode=True, width=1000).splitlines()


def _options(settings: Sequence[tuple[str, object]]) -> str:
    """The settings as options of the commands."""
    return " ".join(f"--set {shlex.quote(f'{path}={_spelt(value)}')}" for path, value in settings)


def _spelt(value: object) -> str:
    return f"[{', '.join(map(_spelt, value))}]" if isinstance(value, list) else str(value)


def _classes(classes: Sequence[PlannedClass]) -> str:
    most = max(c.pictures for c in classes)
    return f"{len(classes)} {'class' if len(classes) == 1 else 'classes'} with at most {most} pictures each"


def _layers(plan: Plan) -> list[str]:
    rows = [("layer", "channels", "shape", "targets a class", "rows a batch")]
    for layer in plan.layers:
        likely = "" if layer.targets_likely is None else f"about {layer.targets_likely}, "
        most = f"{likely}at most {layer.targets_most}" if layer.targets_most > 1 else "1"
        shape = " × ".join(map(str, layer.shape))
        rows.append((layer.name, str(layer.channels), shape, most, "" if layer.rows is None else str(layer.rows)))
    return _table(rows, left=(0, 2, 3))


def _stages(plan: Plan) -> list[str]:
    rows = [("stage", "how many", "", "multiply-adds", "time")]
    for stage in plan.stages:
        work = amount(stage.multiply_adds) if stage.multiply_adds else ""
        unit = stage.unit.removesuffix("s") if stage.amount == 1 else stage.unit
        time = duration(stage.seconds) + ("" if stage.measured else " *")
        rows.append((stage.name, f"{stage.amount:,}", unit, work, time.strip()))
    rows.append(("in all", "", "", amount(plan.multiply_adds), duration(plan.seconds)))
    return _table(rows, left=(0, 2))


def _table(rows: Sequence[tuple[str, ...]], left: Sequence[int]) -> list[str]:
    """Columns two spaces apart, those in `left` to the left; a column without a word is left out."""
    columns = [c for c in range(len(rows[0])) if any(row[c] for row in rows)]
    width = {c: max(len(row[c]) for row in rows) for c in columns}
    found = []
    for row in rows:
        cells = [row[c].ljust(width[c]) if c in left else row[c].rjust(width[c]) for c in columns]
        found.append("  ".join(cells).rstrip())
    return found


def amount(number: float) -> str:
    """A count as people say it: 1.8 G, 420 k."""
    for unit in ("", " k", " M", " G", " T"):
        if number < 999.5:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:,.0f} P"


def size(count: float) -> str:
    """Bytes as people say them."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1023.5:
            return f"{count:.3g} {unit}" if count < 99.5 else f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
