"""Writes a document as one HTML page that needs nothing else."""

from __future__ import annotations

from base64 import b64encode
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
    environment.filters["embedded"] = embedded
    return environment.get_template("page.html").render(document=document)


def address(href: str) -> str:
    """A link's target; a path relative to the page, or a place in it."""
    return quote(href, safe="/.#-_~")


def embedded(png: bytes) -> str:
    """The address of a picture that is within the page."""
    return f"data:image/png;base64,{b64encode(png).decode()}"
