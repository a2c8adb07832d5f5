"""DRA-Net on digits: both stages of its training, in minutes.

Source: the recipe `dranet`, cut down to 1,437 images and to features that start from nothing: they
train at a rate of .05 for 4 epochs, the last one at a tenth of it, and the aggregation for 3.
Command: `python -m ranparity.run --model dranet-cifar --data digits --recipe dranet-digits`
Cost: 88 and 66 steps; not measured here.
Known result: none yet at full width; its twin of a quarter of the widths, dranet-cifar@4, gave 98 %
of the 360 held-out digits on PyTorch (seed 0), 97.8 % after the first stage.
"""

from ranparity.training.recipe import Recipe, Stage

RECIPE = Recipe(
    name="dranet-digits",
    stages=(
        Stage(
            name="features",
            part="features",
            epochs=4,
            batch_size=64,
            learning_rate=0.05,
            schedule=((66, 0.1),),
            update="caffe-sgd",
            momentum=0.9,
            weight_decay=0.0,
            normalisation="imagenet",
        ),
        Stage(
            name="aggregation",
            part="aggregation",
            epochs=3,
            batch_size=64,
            learning_rate=1e-3,
            update="adamw-pytorch",
            momentum=0.9,
            weight_decay=0.01,
            normalisation="imagenet",
        ),
    ),
)
