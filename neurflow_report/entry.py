"""Where the program begins. Python has imported next to nothing when `main` is called, so that an interrupt during the
imports, which take a part of a second, is told as any later one."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process.

    Returns: the exit code.
    """
    try:
        from neurflow_report.cli import main as run
        from neurflow_report.stopping import end_at_once

        code = run()
        end_at_once()
    except BaseException as error:
        if not _is_interrupt(error):
            raise
        return _interrupted()
    return code


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether it is an interrupt, or what Python made of one within a class that was being made."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _interrupted() -> int:
    """Say so. A module whose import was interrupted is imported anew."""
    from neurflow_report.stopping import listen_no_more

    listen_no_more()
    from neurflow_report.cli import interrupted

    return interrupted(sys.argv[1:])
