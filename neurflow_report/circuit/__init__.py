"""The method: concepts and core sets, the search from the logit down, semantic and neuron groups (METHOD §§1–3)."""
