"""A plan as people read it."""

from __future__ import annotations

from collections.abc import Sequence

from neurflow_report.pipeline.planned import Plan, PlannedClass


def lines(plan: Plan) -> list[str]:
    """The plan, line by line."""
    found = [
        f"{plan.title}: {_classes(plan.classes)}, {plan.patches_per_picture} patches a picture, "
        f"k {plan.k}, τ {plan.tau}",
        f"{plan.device}, {plan.precision}, {size(plan.memory)} for activations: {plan.forward_rows} pictures a forward "
        "pass",
        "",
        *_layers(plan),
        "",
        *_stages(plan),
        "",
        f"peak memory: about {size(plan.peak)}",
    ]
    if plan.targets == "most":
        found.append("no pictures were looked at: counted as if no two targets shared a core neuron")
    if plan.not_predicted:
        found.append(f"not predicted: {', '.join(plan.not_predicted)}")
    return [*found, "drawing the site and the PDF comes on top; nothing was written"]


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
        rows.append((stage.name, f"{stage.amount:,}", unit, work, duration(stage.seconds)))
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


def duration(seconds: float | None) -> str:
    """Seconds as people say them; nothing where they are not known."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
