"""Writes a document as one HTML page that needs nothing else."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ranparity.report.document import Attachment, Document, every


def write(document: Document) -> str:
    """The page; jinja2 escapes all text, the drawings and our script alone are put in as they are.

    The page itself forbids a browser to ask for anything, and to run any script but this one.
    """
    environment = Environment(
        loader=PackageLoader("ranparity.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    within = {
        block.path: f"#{block.anchor}"
        for block in every(document)
        if isinstance(block, Attachment) and block.within
    }
    environment.filters["drawing"] = Markup
    environment.filters["address"] = lambda href: within.get(href) or address(href)
    environment.filters["embedded"] = embedded
    script = environment.get_template("page.js").render()
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = environment.get_template("page.html")
    return page.render(document=document, script=Markup(script), digest=digest)  # noqa: S704


def address(href: str) -> str:
    """A link's target; a path relative to the page, or a place in it."""
    return quote(href, safe="/.#-_~")


def embedded(png: bytes) -> str:
    """The address of a picture that is within the page."""
    return f"data:image/png;base64,{b64encode(png).decode()}"
