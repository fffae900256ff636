"""Floors: imports go down only, third parties have their rooms, files stay small, and starting costs little."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "berkson"

# From the ground up.  A module imports from lower floors, and within its own room (a package) what makes no circle.
FLOORS = (
    {"kernels"},
    {"design"},
    {"loss"},
    {"rows"},
    {"penalty", "inverse", "blas"},
    {"group_penalty", "bound_penalty", "flat_penalty"},
    {"certificate"},
    {"anchor", "size"},
    {"solvers"},
    {"problem"},
    {"standardise"},
    {"labels", "margins", "notices"},
    {"recession"},
    {"rank", "separation"},
    {"prepare"},
    {"shortfall", "ties"},
    {"fit"},
    {"wide"},
    {"select", "proof"},
    {"table"},
    {"formula"},
    {"assemble", "fitted_penalty"},
    {"read", "model"},
    {"inference"},
    {"model_file"},
    {"report"},
    {"logistic"},
    {"estimators", "cli"},
    {"__main__"},
    {"__init__"},
)

# Who may import which third party.  NumPy is everywhere below the public face; all else has few rooms.
ROOMS = {
    "threadpoolctl": {"blas"},
    "scipy": {"recession", "rank", "separation", "inference", "estimators"},
    "sklearn": {"estimators"},
    "narwhals": {"table", "logistic", "estimators", "report"},
    "pyarrow": {"read"},
    "rich": {"cli", "report"},
    "matplotlib": {"report"},
}
# Imported with the module itself; everything else that is not NumPy or the standard library waits inside functions.
AT_ONCE = {("estimators", "sklearn")}
SIDE = {"table", "formula"}  # tables and formulas know nothing of the engine, nor it of them
EXECUTES_INPUT = {"eval", "exec", "compile", "__import__"}
UNSAFE_MODULES = {"pickle", "shelve", "marshal", "dill", "joblib", "cloudpickle"}


@cache
def modules() -> dict[str, ast.Module]:
    """Every source file, by its dotted name inside the package."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def room(module: str) -> str:
    return module.partition(".")[0]


def floor(module: str) -> int:
    found = [i for i, names in enumerate(FLOORS) if room(module) in names]
    assert len(found) == 1, f"{module} stands on no floor (or on two): add it to FLOORS in {Path(__file__).name}"
    return found[0]


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """(dotted name, statement) of every import, wherever it stands; `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


def own(imported: str) -> str | None:
    """The module of this package that an import names, if it does."""
    parts = imported.split(".")
    if parts[0] != "berkson":
        return None
    for length in range(len(parts), 1, -1):
        name = ".".join(parts[1:length])
        if name in modules() or (SOURCE / Path(*parts[1:length])).with_suffix(".pyi").exists():  # compiled: a stub
            return name
    return "__init__"


def third_parties(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    for imported, statement in imports(tree):
        if (top := room(imported)) not in sys.stdlib_module_names and top not in ("berkson", "numpy"):
            yield top, statement


def for_types_only(tree: ast.Module) -> set[ast.stmt]:
    """Statements under `if TYPE_CHECKING:`, which never run."""
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    return {inner for block in blocks for inner in ast.walk(block) if isinstance(inner, ast.stmt)}


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_go_down(module: str) -> None:
    for imported, statement in imports(modules()[module]):
        target = own(imported)
        if target is None or room(target) == room(module):
            continue
        assert floor(target) < floor(module), (
            f"line {statement.lineno}: {module} imports {target} from above or beside it"
        )
        if room(module) in SIDE:
            assert room(target) in SIDE, (
                f"line {statement.lineno}: {module} imports {target}, but stands beside the engine"
            )


def test_no_circle() -> None:
    graph = {name: {own(i) for i, _ in imports(tree)} - {None, name} for name, tree in modules().items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("module", sorted(modules()))
def test_third_parties_have_their_rooms(module: str) -> None:
    tree = modules()[module]
    unseen = for_types_only(tree)
    for package, statement in third_parties(tree):
        assert package in ROOMS, f"line {statement.lineno}: {module} imports {package}, which has no room here"
        allowed = room(module) in ROOMS[package] or statement in unseen
        assert allowed, f"line {statement.lineno}: {module} imports {package}, whose rooms are {ROOMS[package]}"
        if statement in tree.body and (room(module), package) not in AT_ONCE:
            pytest.fail(f"line {statement.lineno}: {module} imports {package} at once; move it into the function")


def test_scipy_stats_is_nowhere() -> None:
    # it alone takes longer to import than everything else together
    assert not [(m, i) for m, tree in modules().items() for i, _ in imports(tree) if i.startswith("scipy.stats")]


@pytest.mark.parametrize("module", sorted(modules()))
def test_nothing_executes_input(module: str) -> None:
    tree = modules()[module]
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not called & EXECUTES_INPUT
    assert not {room(i) for i, _ in imports(tree)} & UNSAFE_MODULES


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.[ch]pp")) + sorted(SOURCE.rglob("*.py")), ids=lambda p: p.name)
def test_files_stay_small(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 400


@pytest.mark.parametrize("module", sorted(modules()))
def test_public_functions_are_documented(module: str) -> None:
    tree = modules()[module]
    assert ast.get_docstring(tree), f"{module} does not say what it is for"
    if module in (
        "kernels.compiled",
        "kernels.sparse_compiled",
        "kernels.coded_compiled",
        "kernels.replicates_compiled",
    ):
        return  # the twins of the references, which document the same names
    for node in tree.body:
        overloads = isinstance(node, ast.FunctionDef) and any(ast.unparse(d) == "overload" for d in node.decorator_list)
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not overloads:
            assert ast.get_docstring(node), f"line {node.lineno}: {module}.{node.name} has no docstring"


def newly_imported(code: str) -> set[str]:
    """Top-level modules that `code` brings into a fresh interpreter."""
    script = f"import sys; before = set(sys.modules)\n{code}\nprint(*(m for m in sys.modules if m not in before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {room(name) for name in done.stdout.split()}


def test_import_berkson_costs_nothing() -> None:
    # what it imports, not how long that took: times on a shared machine prove nothing
    assert newly_imported("import berkson") <= {"berkson", "__future__"}


FIT = """
import numpy as np
from berkson.fit import fit
from berkson.problem import Problem
X, y = np.array([[0.0, 1], [1, 0], [2, 1], [3, 3], [4, 1], [5, 0]]), np.array([0, 1, 0, 1, 0, 1], np.uint8)
for strength in (0.0, 1.0):
    assert fit(Problem(X, y, strength=strength)).certificate.certified
"""


def test_the_engine_needs_numpy_alone() -> None:
    third = {m for m in newly_imported(FIT) if m not in sys.stdlib_module_names and not m.startswith("_")}
    assert third == {"berkson", "numpy"}


def test_a_formula_needs_numpy_alone() -> None:
    code = "from berkson.formula import parse\nparse('low ~ age + C(race) + I(lwt * 2)')"
    third = {m for m in newly_imported(code) if m not in sys.stdlib_module_names and not m.startswith("_")}
    assert third <= {"berkson", "numpy"}
