"""ResCon's training on CIFAR-10 and CIFAR-100.

Source: AlKun25/ResAttNet at commit f63fcd4, tools/train_pl.py, model/RAN_92_32.py and
dataset/CIFAR10data.py: PyTorch's SGD with Nesterov momentum .9, a rate of .1 throughout, weight
decay 1e-4 on everything, batches of 16, 10 epochs, images padded by 4, random crops, mirrored
images, pixels from 0 to 1. (Their notebook has batches of 32.) With a rate that stays, PyTorch's
rule and Caffe's are one: they part only where the rate changes.
Ours: pixels from -1 to 1, so that the padding is grey where theirs is black; weights as He et al.
2015, where PyTorch draws its own; one process, where theirs are as many as there are GPUs.
Command: `python -m ranparity.run --model attention56-cifar --data cifar10 --recipe rescon`
Cost: not measured here; 31,250 steps.
Known result: none here. Theirs, loss on training and test images (README): Attention-92 at 32x32,
of tengshaofeng's widths, .51/.53 on CIFAR-10 and 1.26/1.58 on CIFAR-100; they give no accuracy.
"""

from ranparity.training.recipe import Recipe, Stage

RECIPE = Recipe(
    name="rescon",
    stages=(
        Stage(
            epochs=10,
            batch_size=16,
            learning_rate=0.1,
            update="caffe-nesterov",
            momentum=0.9,
            weight_decay=1e-4,
            normalisation="range",
            padding=4,
            flip=True,
        ),
    ),
)
