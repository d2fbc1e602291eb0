"""What is drawn, put in its place: written into a stage beside it first, so that it is there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from neurflow_report.drawing.write.overwrite_guard import check_file_free, unwritable
from neurflow_report.results.staging import publish, staged


@contextmanager
def drawn(output: Path, names: Sequence[str]) -> Iterator[Path]:
    """A folder to draw into.

    What stands in it at the end under `names` is put into `output`, all together; where the block fails, nothing is.

    Raises: InputError output-unwritable.
    """
    told = output / " and ".join(names)
    with ExitStack() as stack:
        try:
            output.mkdir(parents=True, exist_ok=True)
            fresh = stack.enter_context(staged(output))
        except OSError as error:
            raise unwritable(told, error) from error
        yield fresh
        try:
            publish(fresh, output, names)
        except OSError as error:
            raise unwritable(told, error) from error


def write_file(target: Path, data: bytes) -> None:
    """Write `data` to `target`, in place of a report that is there.

    Raises: InputError output-unwritable, also where something else stands there.
    """
    check_file_free(target)
    with drawn(target.parent, [target.name]) as fresh:
        try:
            (fresh / target.name).write_bytes(data)
        except OSError as error:
            raise unwritable(target, error) from error
