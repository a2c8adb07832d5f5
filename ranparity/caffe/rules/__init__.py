"""One pure rule per Caffe layer type: attributes, output shapes, parameters and MACs.

To add a layer type, write one function with `@rule("Type")` in a module here and its tables in
that module's test in tests/caffe/rules. A rule gets the layer's node and its bottoms' shapes (NCHW
where there are four axes) and returns `Facts`.
"""

from ranparity.caffe.rules import activations, blobs, elements, losses, maps, shaping
from ranparity.caffe.rules.base import RULES

__all__ = ["RULES", "activations", "blobs", "elements", "losses", "maps", "shaping"]
