"""Digits: the training that every newcomer runs first.

Source: the CIFAR recipe of Wang et al., CVPR 2017, section 4.1 (Nesterov momentum .9, weight decay
1e-4 on everything, batches of 64), cut down to 1,437 images: a rate of .05, 8 epochs, no
augmentation, pixels scaled to [-1, 1], and one drop of the rate to a tenth for the last two epochs.
Command: `python -m ranparity.run --model attention56-cifar --data digits --recipe digits`
Cost: 176 steps; two to four minutes a backend on two CPU cores.
Known result: 97 % or more of the 360 held-out digits on PyTorch, TensorFlow and JAX (seed 0; the
records are in reports/data/runs).
"""

from ranparity.training.recipe import Recipe, Stage

RECIPE = Recipe(
    name="digits",
    stages=(
        Stage(
            epochs=8,
            batch_size=64,
            learning_rate=0.05,
            schedule=((132, 0.1),),
            update="caffe-nesterov",
            momentum=0.9,
            weight_decay=1e-4,
            normalisation="range",
        ),
    ),
)
