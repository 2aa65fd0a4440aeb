"""Findings and downloads as tables in a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from weights.doctor import Row, licence_in_words, size_in_words
from weights.published import Weight

_MARKS = {
    "ok": "[green]ok[/]",
    "note": "[yellow]note[/]",
    "missing": "[dim]missing[/]",
    "wrong": "[red]wrong[/]",
    "corrupt": "[bold red]corrupt[/]",
}


def findings(rows: Iterable[Row]) -> Group:
    """One table a section, a cure under the finding that it belongs to."""
    sections: dict[str, Table] = {}
    for row in rows:
        table = sections.setdefault(row.section, _section(row.section))
        detail = escape(row.detail) + (f"\n[cyan]{escape(row.cure)}[/]" if row.cure else "")
        table.add_row(row.name, _MARKS[row.state], detail)
    return Group(*sections.values())


def _section(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False)
    table.add_column(width=20, no_wrap=True)
    table.add_column(width=8)
    table.add_column(overflow="fold")
    return table


def to_download(weights: Iterable[Weight]) -> Table:
    """What is about to be fetched, from where and under which licence."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Weights", "From", "Size", "Licence"):
        table.add_column(heading, overflow="fold")
    for weight in weights:
        size = "unknown" if weight.size is None else ("" if weight.exact else "about ") + size_in_words(weight.size)
        licence = licence_in_words(weight) + (
            f"\n[yellow]{escape(weight.licence_note)}[/]" if weight.licence_note else ""
        )
        table.add_row(weight.name, weight.repo, size, licence)
    return table
