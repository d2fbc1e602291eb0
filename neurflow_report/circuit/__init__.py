"""The method: concepts, attribution, core neurons, groups and the circuit (METHOD §§1–4)."""
