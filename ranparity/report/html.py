"""Writes a document as one HTML page that needs nothing else."""

from __future__ import annotations

from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ranparity.report.document import Document


def write(document: Document) -> str:
    """The page; jinja2 escapes all text, the drawings alone are put in as they are."""
    environment = Environment(
        loader=PackageLoader("ranparity.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["drawing"] = Markup
    environment.filters["address"] = address
    return environment.get_template("page.html").render(document=document)


def address(href: str) -> str:
    """A link's target; a path relative to the page, or a place in it."""
    return quote(href, safe="/.#-_~")
