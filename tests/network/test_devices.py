"""What a device has and has not; no test here needs one."""

import pytest
import torch

from neurflow_report.network import devices


@pytest.mark.parametrize(("device", "place"), [("cpu", "cpu"), ("cuda:1", "cuda:1"), ("mps", "cpu")])
def test_float64_is_the_host_s_where_a_device_has_none(device, place):
    assert devices.with_float64(torch.device(device)) == torch.device(place)


def test_a_device_takes_more_rows_than_a_processor():
    host, gpu = torch.device("cpu"), torch.device("cuda")
    assert devices.is_host(host)
    assert not devices.is_host(gpu)
    for gradients in (False, True):
        assert devices.most_rows(gpu, gradients=gradients) > devices.most_rows(host, gradients=gradients) == 256
