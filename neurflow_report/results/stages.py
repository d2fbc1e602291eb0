"""The stages of a class that are kept one by one (analysis/stages.py, ADR 33), by name."""

from __future__ import annotations

STAGES = ("predictions", "patches", "attributions", "masking")
"""What the network takes each picture for; the activations of a class's patches, and of the pictures that F1 runs on; T
of each layer's targets; which pictures are predicted as the class under each of F1's masks."""
