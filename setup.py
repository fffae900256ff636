"""The compiled kernels.  They are optional: where they cannot be built, the package runs on its reference."""

import sys
import sysconfig

from setuptools import Extension, setup

SOURCES = ("module", "run", "sparse", "coded", "replicates", "quadratic", "systems", "baseline", "avx2", "avx512")
HEADERS = (
    "arguments",
    "pass",
    "instruction_set",
    "simd",
    "load",
    "products",
    "pointwise",
    "passes",
    "method",
    "sparse",
    "sparse_moments",
    "sparse_pass",
    "columns",
    "coded",
    "coded_pass",
    "draws",
    "replicates",
    "replicates_pass",
    "quadratic",
    "quadratic_problem",
)
DIRECTORY = "src/berkson/kernels/native"

# One file serves every CPython from 3.11 on; free-threaded builds have no limited API yet.
limited = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")

# Not -ffast-math: it breaks the rounding that exp relies on.  Errors are seen in answers, not in errno or traps.
flags = [
    "-std=c++17",
    "-O3",
    "-g0",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
    "-pthread",
]

native = Extension(
    "berkson.kernels._native",
    sources=[f"{DIRECTORY}/{name}.cpp" for name in SOURCES],
    depends=[f"{DIRECTORY}/{name}.hpp" for name in HEADERS],
    define_macros=[("Py_LIMITED_API", "0x030B0000")] if limited else [],
    extra_compile_args=flags,
    extra_link_args=["-pthread"],
    language="c++",
    py_limited_api=limited,
    optional=True,
)

setup(ext_modules=[native], options={"bdist_wheel": {"py_limited_api": "cp311"}} if limited else {})
