"""What is gathered to be told later holds on to nothing but what it says."""

from __future__ import annotations

import pickle
import weakref

import pytest
import torch

from neurflow_report.errors import Gathered, InputError, InputErrors, RunError, Where, Wording, at_command


def broken(tensors: list[weakref.ref[torch.Tensor]]) -> None:
    """Fails with an error whose cause leads back to itself, as a user's code may raise it."""
    value = torch.ones(1)
    tensors.append(weakref.ref(value))
    try:
        inner = torch.ones(1)
        tensors.append(weakref.ref(inner))
        error = ValueError("deep")
        raise error from error
    except ValueError as cause:
        raise InputError("model-fails", "it fails") from cause


def test_what_is_gathered_lets_go_of_the_tensors_it_came_from() -> None:
    gathered, tensors = Gathered(), list[weakref.ref[torch.Tensor]]()
    for _ in range(2):
        assert gathered.attempt(lambda: broken(tensors)) is None
    assert len(tensors) == 4
    assert not any(tensor() is not None for tensor in tensors)
    with pytest.raises(InputErrors) as caught:
        gathered.tell()
    assert str(caught.value).count("it fails [model-fails]") == 2


def test_an_error_can_be_raised_in_another_process() -> None:
    hint = Wording("call it", command="`run` it")
    one = InputError("spec-bad-value", "wrong", hint=hint, path=("a", 1), where=Where(file=Wording("x", command="y")))
    for error in (one, InputErrors([one, RunError("not-finite", "no")])):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert [at_command(each.hint) for each in again.problems()] == [at_command(e.hint) for e in error.problems()]
