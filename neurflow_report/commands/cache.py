"""`cache`: what is kept of earlier runs."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from neurflow_report.commands.command import Command, Result


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("list", "clean"), help="show what is kept, or delete it")
    parser.add_argument(
        "--unused", metavar="DAYS", type=float, default=0.0, help="with clean: only what no run took for so many days"
    )
    parser.add_argument(
        "--folder", metavar="DIR", default="auto", help="the folder, where a spec's runtime.cache names one"
    )


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report.results.cache import SUFFIX, Cache, folder

    place = folder(options.folder)
    if place is None:
        return {"folder": None, "entries": []}
    cache = Cache(folder=place)
    if options.what == "clean":
        number, size = cache.clean(unused=86400 * max(0.0, options.unused))
        return {"folder": str(place), "deleted": number, "bytes": size}
    return {
        "folder": str(place),
        "entries": [
            {
                "class": entry.name,
                "of_a_class": entry.kind == SUFFIX,
                "title": entry.title,
                "bytes": entry.bytes,
                "used": datetime.fromtimestamp(entry.used, UTC).strftime("%Y-%m-%d %H:%M"),
            }
            for entry in cache.entries()
        ],
    }


def _lines(result: Result) -> list[str]:
    place = result["folder"]
    if place is None:
        return ["nothing is kept: the cache is off"]
    if "deleted" in result:
        return [f"{place}: {_classes(result['deleted'])} deleted, {_size(result['bytes'])}"]
    entries = result["entries"]
    if not isinstance(entries, list) or not entries:
        return [f"{place}: nothing is kept"]
    rows = [
        f"{one['used']}  {_size(one['bytes']):>9}  {one['class'] or '(damaged)'}  {one['title']}" for one in entries
    ]
    size = sum(one["bytes"] for one in entries)
    return [f"{place}: {_classes(sum(one['of_a_class'] for one in entries))}, {_size(size)}; last used:", *rows]


def _classes(number: object) -> str:
    return "1 class" if number == 1 else f"{number} classes"


def _size(size: object) -> str:
    return f"{float(str(size)) / 1e6:.1f} MB"


COMMAND = Command(
    name="cache",
    summary="show what is kept of earlier runs, or delete it",
    run=_run,
    lines=_lines,
    add=_add,
    place=75,
)
