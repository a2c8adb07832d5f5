"""Rules with one part of their source replaced, to show that a table or a property finds it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from ranparity.caffe.rules import activations, base, blobs, elements, losses, maps, shaping

MODULES = (activations, base, blobs, elements, losses, maps, shaping)


class Altered(NamedTuple):
    """A function of the rules and the part of its source that is replaced."""

    function: str
    part: str
    by: str

    @property
    def module(self) -> ModuleType:
        """The module that the function is written in."""
        (module,) = (
            module
            for module in MODULES
            if getattr(vars(module).get(self.function), "__module__", "") == module.__name__
        )
        return module

    def compiled(self) -> Callable[..., Any]:
        """The altered function."""
        source = inspect.getsource(getattr(self.module, self.function))
        assert self.part in source, f"the source of {self.function} has changed"
        undecorated = re.sub(r"^@rule.*\n", "", source).replace(self.part, self.by)
        namespace = dict(vars(self.module))
        exec("from __future__ import annotations\n" + undecorated, namespace)  # noqa: S102
        function: Callable[..., Any] = namespace[self.function]
        return function
