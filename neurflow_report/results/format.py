"""The bundle's format number: what it was, what it is, how to raise it.

History
- 1 (0.1.0): manifest.json, run.json, classes/<slug>.json, pictures/<name>; the records of results/records.py.

How to raise it
1. Raise it when a reader of the present number would misread or refuse a new bundle: a field is renamed, removed, gets
   another meaning, or is added without a default. A new field *with* a default needs no new number when a reader that
   does not know it may refuse it: the readers are frozen records, so it does need one once a release is out.
2. Keep the old reader: copy what changed of records.py to results/old/v<N>.py with a function that turns it into the
   records of today, and let `read_bundle` choose by number.
3. Keep a frozen bundle of the old number among the tests, and add a line to the history above.
"""

FORMAT_VERSION = 1
READABLE = frozenset({FORMAT_VERSION})
