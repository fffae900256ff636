"""A figure: shown by a notebook, saved as SVG, as a page of HTML, or, where matplotlib is installed, as PNG."""

from __future__ import annotations

import os
from dataclasses import dataclass
from html import escape
from pathlib import Path

from berkson.report.layout import clean
from berkson.report.panels import Panel
from berkson.report.svg import WIDTH, svg

KINDS = (".svg", ".html", ".png")


@dataclass(frozen=True, repr=False)
class Figure:
    """Panels below each other under a title; a notebook shows it, `save` writes it."""

    title: str
    panels: tuple[Panel, ...]

    def svg(self) -> str:
        """As SVG; names appear under the pointer."""
        return svg(self.title, self.panels)

    def html(self) -> str:
        """A page of its own, without scripts."""
        return (
            f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(clean(self.title))}'
            "</title>\n<style>:root{color-scheme:light dark}body{margin:2rem auto;padding:0 1rem;"
            f"max-width:{WIDTH}px}}svg{{width:100%;height:auto}}@media (prefers-color-scheme:dark)"
            "{body{background:#14171c}}</style>\n</head>\n"
            f"<body>\n{self.svg()}</body>\n</html>\n"
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it, as the name ends: .svg, .html or .png.  ValueError, one sentence, for another ending, and for .png
        where matplotlib is not installed."""
        kind = kind_of(path)
        if kind == ".png":
            from berkson.report.raster import save_png

            save_png(self.title, self.panels, path)
            return
        from berkson.model_file import replacing

        with replacing(path) as file:
            file.write(self.svg() if kind == ".svg" else self.html())

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        return f"{self.title or 'a figure'}: show it in a notebook, or save('figure.svg'), .html or .png"


def kind_of(path: str | os.PathLike[str]) -> str:
    """The ending of a figure's file; ValueError, one sentence, where it cannot be written so."""
    kind = Path(path).suffix.lower()
    if kind not in KINDS:
        raise ValueError(f"{Path(path).name} tells no kind of figure: end its name in .svg, .html or .png")
    if kind == ".png":
        from importlib.util import find_spec

        if find_spec("matplotlib") is None:
            raise ValueError("a figure as .png needs matplotlib, which is not installed: choose .svg or .html")
    return kind
