"""What is known of the published files: their errata by name, and their canonical digests.

Published means fwang91/residual-attention-network at commit bc207a8. Their text is not part of
this project; the digest of its canonical form is, so that a file can be shown to say the same.
"""

from __future__ import annotations

import dataclasses

from ranparity.caffe.canonical import digest
from ranparity.caffe.prototxt import LayerParameter, Net
from ranparity.errors import InputError


@dataclasses.dataclass(frozen=True)
class Erratum:
    """A fault of a published file and its repair: one layer's bottom is replaced.

    Attributes:
        name: What `--erratum` calls it.
        net: The name that the net has in its file.
        layer: The layer that is repaired.
        bottom: The blob that it reads as published.
        repaired: The blob that it reads after the repair.
        reason: Why the file cannot be used as it is.
    """

    name: str
    net: str
    layer: str
    bottom: str
    repaired: str
    reason: str

    def fits(self, net: Net) -> bool:
        """Whether a net has this fault."""
        return net.name == self.net and any(self._is_faulty(layer) for layer in net.layers)

    def repair(self, net: Net) -> Net:
        """Returns the net with the fault repaired and the repair's name noted.

        Raises:
            InputError: The net does not have this fault.
        """
        if not self.fits(net):
            raise InputError(
                f"{net.source}: erratum {self.name} repairs {self.net}, whose layer "
                f'"{self.layer}" reads "{self.bottom}"; this file has no such layer: leave '
                "--erratum out"
            )
        layers = tuple(self._repaired(layer) for layer in net.layers)
        return net.replace(layers=layers, errata=(*net.errata, self.name))

    def _is_faulty(self, layer: LayerParameter) -> bool:
        return layer.name == self.layer and self.bottom in layer.bottom

    def _repaired(self, layer: LayerParameter) -> LayerParameter:
        if not self._is_faulty(layer):
            return layer
        copy = LayerParameter()
        copy.CopyFrom(layer)
        position = list(layer.bottom).index(self.bottom)
        copy.bottom[position] = self.repaired
        return copy


ERRATA = (
    Erratum(
        name="classifier-reads-ave_pool",
        net="AttentionNeXt-92",
        layer="classifier",
        bottom="ave_pool_gather",
        repaired="ave_pool",
        reason='the classifier reads "ave_pool_gather", which no layer makes; '
        "in the three other nets it reads the average pool",
    ),
)


@dataclasses.dataclass(frozen=True)
class Published:
    """A published file's canonical digest, with the errata that were applied to it."""

    file: str
    digest: str
    errata: tuple[str, ...] = ()


PUBLISHED = (
    Published(
        "Attention-56-deploy.prototxt",
        "8ed46200879ac68336bc0a5e7637f29b6bf65d7d17e083b7e4b55cb49fdb72cb",
    ),
    Published(
        "Attention-92-deploy.prototxt",
        "79a294697f9a22af74cc176aa2b594a0212755fd1605a8b13c55176114647532",
    ),
    Published(
        "AttentionNeXt-56-deploy.prototxt",
        "3e22c7282883c8eb18f4d89f9fc73b4eb793b759f137fb373cd16e587f892a9f",
    ),
    Published(
        "AttentionNeXt-92-deploy.prototxt",
        "d5144addf603237edd54e65ea1b0491d17efa413677530b1369415cbf2df6e30",
        errata=("classifier-reads-ave_pool",),
    ),
)


def erratum(name: str) -> Erratum:
    """Returns an erratum by its name.

    Raises:
        InputError: There is none of this name.
    """
    for known in ERRATA:
        if known.name == name:
            return known
    names = ", ".join(known.name for known in ERRATA)
    raise InputError(f"--erratum: expected one of {names}; found {name}")


def refuse_faulty(net: Net) -> None:
    """Raises an `InputError` that names the erratum where a net has a known fault."""
    for known in ERRATA:
        if known.fits(net):
            raise InputError(
                f'{net.source}: layer "{known.layer}": as published {known.reason}; '
                f'repair it, visibly, with --erratum {known.name} (reads "{known.repaired}")'
            )


def identify(net: Net) -> Published | None:
    """Returns the published file that a net says exactly the same as, or None."""
    found = digest(net)
    return next((known for known in PUBLISHED if known.digest == found), None)
