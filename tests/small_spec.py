"""A small spec over the demo network, to run the whole pipeline in seconds."""

from __future__ import annotations

SMALL = {
    "version": 1,
    "title": "Small",
    "model": {"source": "demo", "name": "flowers", "weights": "demo"},
    "data": {"source": "demo", "limit": 4},
    "classes": ["firebell", "snowstar"],
    "layers": ["block3", "block4", "fc"],
    "concept": {"k": 12, "scales": [1.0, 0.5]},
    "attribution": {"nodes": 4, "max_nodes": 8},
    "core": {"tau": 3},
    "fidelity": {"experiments": ["masking"], "taus": [1, 3], "draws": 5},
    "runtime": {"device": "cpu", "memory": "500MB"},
}


def merged(spec: dict, changes: dict) -> dict:
    """`spec` with `changes` put in, mapping by mapping; a value of None takes the key out."""
    result = dict(spec)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if nested else value
    return {k: v for k, v in result.items() if v is not None}
