"""Deep copies of networks that hold what cannot be copied: a lock, an open file, a generator. That is shared."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from neurflow_report.network.fence import fenced, passes


def duplicate(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """A deep copy of `module`.

    Args: memo: as deepcopy's; what it holds is not copied.
    Raises: InputError model-fails where a module's own class refuses to be copied.
    """
    known = dict(memo)
    try:
        return copy.deepcopy(module, memo)
    except BaseException as error:
        if passes(error):
            raise
    memo.clear()
    memo.update(known | {id(value): value for value in _uncopyable(module, known)})
    hint = "copy.deepcopy of the network fails in Python, too: let the module's class be copied by it"
    with fenced("copying the network", hint=hint, network=module):
        return copy.deepcopy(module, memo)


def _uncopyable(module: nn.Module, known: Mapping[int, Any]) -> list[Any]:
    """The attributes of the modules, other than modules and tensors, that cannot be copied."""
    found = []
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, (nn.Module, Tensor, type(None))) or value is part._modules:
                continue
            try:
                copy.deepcopy(value, dict(known))
            except BaseException as error:
                if passes(error):
                    raise
                found.append(value)
    return found
