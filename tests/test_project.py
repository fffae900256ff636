"""The project around the code: the set-up script, pinned versions, and documents that name what is there."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
NOT_OURS = {
    ".venv",
    ".git",
    "build",
    "dist",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
}
SET_UP = ("dev", ".ci/run", "pyproject.toml", "setup.py", "requirements/constraints.txt")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pinned() -> dict[str, list[Version]]:
    """Package -> its pinned versions (one for each range of Python)."""
    pins: dict[str, list[Version]] = {}
    for line in (ROOT / "requirements" / "constraints.txt").read_text(encoding="utf-8").splitlines():
        requirement = Requirement(line)
        (exact,) = requirement.specifier
        assert exact.operator == "==", line
        pins.setdefault(requirement.name, []).append(Version(exact.version))
    return pins


def texts() -> list[Path]:
    """Every text file of the project."""
    found = []
    for path in ROOT.rglob("*"):
        if path.is_file() and not NOT_OURS & set(path.relative_to(ROOT).parts) and not path.name.endswith(".egg-info"):
            try:
                path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            found.append(path)
    return found


def required() -> list[Requirement]:
    own = project()
    lists = [own["project"]["dependencies"], *own["project"]["optional-dependencies"].values()]
    return [Requirement(text) for group in (*lists, *own["dependency-groups"].values()) for text in group]


@pytest.mark.parametrize("requirement", required(), ids=str)
def test_what_is_required_is_pinned(requirement: Requirement) -> None:
    pins = pinned()[requirement.name]
    assert all(pin in requirement.specifier for pin in pins)


@pytest.mark.parametrize("name", SET_UP)
def test_set_up_names_no_host(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.findall(r"https?://|--index-url|--extra-index|--find-links|\bpypi\.|trusted-host", text)


def test_no_path_of_one_machine() -> None:
    homes = re.compile(r"/(?:home|root|Users|work|mnt)/\w")
    this = Path(__file__)
    found = [str(p.relative_to(ROOT)) for p in texts() if p != this and homes.search(p.read_text(encoding="utf-8"))]
    assert not found


@pytest.mark.parametrize("name", ["dev", ".ci/run"])
def test_scripts_parse_and_are_executable(name: str) -> None:
    path = ROOT / name
    shell = "sh" if path.read_text(encoding="utf-8").startswith("#!/bin/sh") else "bash"
    subprocess.run([shell, "-n", str(path)], check=True)
    assert path.stat().st_mode & 0o111


def test_dev_says_what_it_does_not_know() -> None:
    done = subprocess.run([str(ROOT / "dev"), "frobnicate"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no such command: frobnicate" in done.stderr
    for command in ("run", "test", "lint", "bench", "lock"):
        assert command in done.stderr


def test_the_version_is_one() -> None:
    number = project()["project"]["version"]
    assert version("berkson") == number
    assert f"## {number}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["README.md", "docs/design.md", "CHANGELOG.md"])
def test_documents_name_files_that_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target]
    for target in links:
        assert (ROOT / name).parent.joinpath(target).exists(), f"{name} links to {target}"
    for file in re.findall(r"`([\w./]+(?:\.(?:py|hpp|cpp)|/))`", text):
        places = (ROOT / file, ROOT / "src" / "berkson" / file, ROOT / "src" / "berkson" / "kernels" / file)
        assert any(place.exists() for place in places), f"{name} names {file}"


def test_types_are_published() -> None:
    assert (ROOT / "src" / "berkson" / "py.typed").exists()
    assert "py.typed" in project()["tool"]["setuptools"]["package-data"]["berkson"]
