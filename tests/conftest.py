"""Property tests are the same on every run, and few: a failure is a failure of the code, not of the day."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "berkson",
    derandomize=True,
    deadline=None,  # a shared machine is slow at times
    max_examples=20,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("berkson")
