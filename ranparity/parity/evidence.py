"""The worker of level 0: builds models on this process's backend and prints what they are.

`python -m ranparity.parity.evidence attention56:224x224 ...` prints one description a line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import keras

from ranparity.models import zoo
from ranparity.models.describe import describe
from ranparity.workers import serve


def main(arguments: Sequence[str]) -> None:
    """Describes each `model:HxW`; the models are built in Keras's own data format."""
    for argument in arguments:
        name, _, size = argument.rpartition(":")
        entry = zoo.entry(name)
        height, width = map(int, size.split("x"))
        channels = entry.input_shape[2]
        first = keras.config.image_data_format() == "channels_first"
        shape = (channels, height, width) if first else (height, width, channels)
        # Nothing here depends on a weight's value, and drawing millions takes seconds.
        model = entry.build(input_shape=shape, initializer=keras.initializers.Zeros)
        print(json.dumps(describe(model).to_json()), flush=True)
        keras.backend.clear_session()


if __name__ == "__main__":
    serve(main)
