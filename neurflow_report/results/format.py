"""The bundle's format number: what it was, what it is, how to raise it.

History
- 1 (0.1.0): manifest.json, run.json, classes/<slug>.json, pictures/<name>; the records of results/records.py.
- 2 (unreleased): ClassResult holds the figures of F2 to F8, the ledger and the controls; Masking tells cumulative rows;
  Settings holds the sizes of the experiments and the thresholds; DataInfo how pictures were sampled and classes tied,
  what was left out, and what else to know of the pictures; Run the accuracy on the labelled pictures, which quick
  ways were not taken, and how far attributions are from Captum's; ModelInfo what was done with a checkpoint, and
  assumed of the input. All of it is new fields with defaults, so a bundle of format 1 reads as one whose experiments
  were not run, and the records of today are its reader.
- 3 (unreleased): manifest.sha256 holds the sha256 of manifest.json, so that every byte of a bundle is covered: every
  file has its digest in the manifest, and the manifest its own beside it. Bundles of formats 1 and 2 are read without
  one; where one is there, it counts. A neuron group's share is conserved (METHOD §3), and groups are numbered by it; in
  1 and 2 it followed |W|, and whoever shows it computes it anew (results/flow.py). PartAgreement has the commonest
  parts; Run the names by hand, how patches are shown, what is kept of the pictures, and where
  the site will stand. ClassResult and Control have F1 with pictures of other classes, and a claim
  that is judged by them says so in its case; Picture says whether it was held out, DataInfo how many
  were, and how many of other classes there are for each. ClassResult has a census of channels, the
  effects of edges, the certificates of an automatic τ, and the pictures that are explained by its circuit;
  Run says which were to be, and which classes failed and are missing. Both have the user's own concepts: Run their
  pictures, ClassResult their tests; labels of neuron groups: Run where they come from, ClassResult their tests; and
  pictures made for semantic groups: Run for how many, ClassResult which. Clock has the memory of each stage.
  A picture's name follows from what it shows and its original.

How to raise it
1. Raise it when a reader of the present number would misread or refuse a new bundle: a field is renamed, removed, gets
   another meaning, or is added without a default. A new field *with* a default needs no new number when a reader that
   does not know it may refuse it: the readers are frozen records, so it does need one once a release is out.
2. Keep the old reader: copy what changed of records.py to results/old/v<N>.py with a function that turns it into the
   records of today, and let `read_bundle` choose by number.
3. Keep a frozen bundle of the old number among the tests, and add a line to the history above.
"""

FORMAT_VERSION = 3
READABLE = frozenset({1, 2, FORMAT_VERSION})
WITH_DIGEST = 3
"""The first format whose manifest has a digest."""
