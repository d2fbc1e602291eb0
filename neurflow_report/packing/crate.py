"""Where an archive comes from, as metadata that others read: RO-Crate 1.1, Process Run Crate 0.5.

Two actions: the run that made the bundle, and the drawing of the report. No agent, path or host is named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from neurflow_report.results.bundle import Bundle
from neurflow_report.results.identity import identity
from neurflow_report.results.records import Clock

METADATA = "ro-crate-metadata.json"
CRATE = "https://w3id.org/ro/crate/1.1"
PROCESS = "https://w3id.org/ro/wfrun/process/0.5"
_TERMS = "https://w3id.org/ro/terms/workflow-run#"
_CONTEXT = [f"{CRATE}/context", {name: f"{_TERMS}{name}" for name in ("sha256", "resourceUsage")}]
_KINDS = {
    "html": "text/html", "css": "text/css", "js": "text/javascript", "json": "application/json", "csv": "text/csv",
    "svg": "image/svg+xml", "png": "image/png", "webp": "image/webp", "jpg": "image/jpeg", "pdf": "application/pdf",
    "zip": "application/zip", "dot": "text/vnd.graphviz", "woff2": "font/woff2", "yaml": "application/yaml",
    "txt": "text/plain", "sha256": "text/plain", "cff": "application/yaml",
}  # fmt: skip
_RUN, _DRAWING, _MODEL, _DATA, _SPEC = "#run", "#drawing", "#model", "#data", "#spec"
_LICENSE, _PAPER = "#license", "https://arxiv.org/abs/2502.16105"


def crate(bundle: Bundle, files: Mapping[str, Path], made: Mapping[str, bytes]) -> bytes:
    """ro-crate-metadata.json of an archive with these files, on the disk and made."""
    sizes = {name: (file.stat().st_size, digest(file)) for name, file in files.items()}
    sizes |= {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in made.items()}
    used = list(_used(bundle.manifest.provenance.clock))
    graph = [*_heads(bundle, sizes), *_actions(bundle, sizes, used), *_things(bundle), *used]
    graph += [_file(name, *sizes[name]) for name in sorted(sizes)]
    return (json.dumps({"@context": _CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False) + "\n").encode()


def digest(file: Path) -> str:
    """The sha256 of a file, in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def address(name: str) -> str:
    """A file's name as the crate's `@id`."""
    return quote(name)


def _heads(bundle: Bundle, sizes: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    run, p = bundle.run, bundle.manifest.provenance
    classes = ", ".join(entry.name for entry in run.classes[:20]) + (", …" if len(run.classes) > 20 else "")
    yield {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": CRATE},
        "about": {"@id": "./"},
    }
    yield {
        "@id": "./",
        "@type": "Dataset",
        "conformsTo": {"@id": PROCESS},
        "name": run.title,
        "description": f"How {run.model.name} decides for {classes}: circuits of neuron groups, and the evidence.",
        "datePublished": p.clock.created[:10],
        "license": {"@id": _LICENSE},
        "identifier": f"sha256:{identity(bundle.manifest)}",
        "mainEntity": {"@id": "index.html"},
        "hasPart": [{"@id": address(name)} for name in sorted(sizes)],
        "mentions": [{"@id": _RUN}, {"@id": _DRAWING}],
    }
    yield {"@id": PROCESS, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}


def _used(clock: Clock) -> Iterator[dict[str, Any]]:
    """What the run took in all; the bundle has it stage by stage."""
    known = (
        ("#seconds", "seconds of all stages", "SEC", clock.seconds and round(sum(clock.seconds.values()), 2)),
        ("#resident", "most memory of a process", "AD", clock.resident and max(clock.resident.values())),
        ("#allocated", "most memory of tensors on a GPU", "AD", clock.allocated and max(clock.allocated.values())),
    )
    for name, what, unit, value in known:
        if value:
            yield {"@id": name, "@type": "PropertyValue", "name": what, "unitCode": unit, "value": str(value)}


def _actions(
    bundle: Bundle, sizes: Mapping[str, object], used: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    p = bundle.manifest.provenance
    held = [name for name in sorted(sizes) if name.startswith("bundle/")]
    drawn = [
        name
        for name in sorted(sizes)
        if name.partition("/")[0] in {"site", "report.pdf", "appendix.pdf", "report.html"}
    ]
    done = {"@type": "CreateAction", "instrument": {"@id": _program(p.generator)}}
    status = {"actionStatus": "http://schema.org/CompletedActionStatus"}
    yield {
        "@id": _RUN,
        **done,
        "name": "The network was examined",
        "description": f"On {p.device}.",
        "endTime": p.clock.created.replace("Z", "+00:00"),
        "object": [{"@id": _MODEL}, {"@id": _DATA}, {"@id": _SPEC}],
        "result": [{"@id": address(name)} for name in held],
        **({"resourceUsage": [{"@id": one["@id"]} for one in used]} if used else {}),
        **status,
    }
    yield {
        "@id": _DRAWING,
        **done,
        "name": "The report was drawn",
        "description": "From the bundle alone; when it was drawn leaves no trace in it.",
        "object": [{"@id": address(name)} for name in held],
        "result": [{"@id": address(name)} for name in drawn],
        **status,
    }


def _things(bundle: Bundle) -> Iterator[dict[str, Any]]:
    run, p = bundle.run, bundle.manifest.provenance
    pictures = sum(len(result.pictures) for result in bundle.classes)
    name, _, version = p.generator.rpartition(" ")
    packages = {one: _package(one, p.versions[one]) for one in sorted(p.versions) if one != name}
    yield {
        "@id": _program(p.generator),
        "@type": "SoftwareApplication",
        "name": name or p.generator,
        "softwareVersion": version,
        "citation": {"@id": _PAPER},
        "softwareRequirements": [{"@id": one} for one in packages.values()],
    }
    yield {
        "@id": _PAPER,
        "@type": "ScholarlyArticle",
        "name": "NeurFlow: Interpreting Neural Networks through Neuron Groups and Functional Interactions",
        "description": "The method that the program follows; it is not the program's own.",
    }
    for package, one in packages.items():
        yield {
            "@id": one,
            "@type": "SoftwareApplication",
            "name": package,
            "softwareVersion": p.versions[package],
        }
    yield {
        "@id": _MODEL,
        "@type": "CreativeWork",
        "name": f"{run.model.source}: {run.model.name}",
        "description": f"A network of {run.model.parameters:,} parameters, weights {run.model.weights}.",
        "identifier": f"sha256:{run.model.digest}",
    }
    yield {
        "@id": _DATA,
        "@type": "CreativeWork",
        "name": f"{run.data.source}: {run.data.name}",
        "description": f"{pictures:,} pictures of it were used; it is not among the files.",
        "identifier": f"sha256:{run.data.digest}",
    }
    yield {
        "@id": _LICENSE,
        "@type": "CreativeWork",
        "name": "No licence of its own",
        "description": "Pictures and network are under the terms of those they come from.",
    }
    yield {"@id": _SPEC, "@type": "CreativeWork", "name": "The spec", "text": p.spec_text}


def _program(generator: str) -> str:
    name, _, version = generator.rpartition(" ")
    return f"pkg:generic/{quote(name or generator)}@{quote(version)}"


def _package(name: str, version: str) -> str:
    """A package's address, by the rules of package URLs."""
    return f"pkg:{'generic' if name == 'python' else 'pypi'}/{quote(name)}@{quote(version)}"


def _file(name: str, size: int, sha256: str) -> dict[str, Any]:
    kind = _KINDS.get(name.rpartition(".")[2].lower(), "application/octet-stream")
    return {
        "@id": address(name),
        "@type": "File",
        "name": name,
        "contentSize": str(size),
        "encodingFormat": kind,
        "sha256": sha256,
    }
