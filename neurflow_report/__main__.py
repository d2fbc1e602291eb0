"""`python -m neurflow_report`: the same as the command neurflow-report."""

import sys

from neurflow_report.entry import main

sys.exit(main())
