"""Property tests are the same on every run, and few: a failure is a failure of the code, not of the day."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "berkson",
    derandomize=True,
    deadline=None,  # a shared machine is slow at times
    max_examples=20,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("berkson")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Speed and memory are claims about the compiled kernels; answers have to be right on the reference, too."""
    from berkson.kernels import backend

    if backend()["name"] != "native":
        for item in items:
            if item.get_closest_marker("native"):
                item.add_marker(pytest.mark.skip(reason="about the compiled kernels, which are not in use"))
