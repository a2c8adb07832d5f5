"""DRA-Net on digits: both stages of its training, in minutes.

Source: the recipe `dranet`, cut down to 1,437 images and to features that start from nothing: they
train at a rate of .05 for 4 epochs, the last one at a tenth of it, and the aggregation for 3.
Command: `python -m ranparity.run --model dranet-cifar --data digits --recipe dranet-digits`
Cost: 88 and 66 steps; 1.5 to 3 minutes a backend on two CPU cores.
Known result: of 360 held-out digits 97.78 % on PyTorch and 98.89 % on TensorFlow and JAX (seed 0,
one thread), and 97.78, 95.83 and 97.50 % after the first stage; records are in reports/data/runs.
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
