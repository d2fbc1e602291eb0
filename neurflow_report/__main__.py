"""`python -m neurflow_report`: the same as the command neurflow-report."""

import sys

from neurflow_report.entry import main

if __name__ == "__main__":  # a process that a run starts imports this, too
    sys.exit(main())
