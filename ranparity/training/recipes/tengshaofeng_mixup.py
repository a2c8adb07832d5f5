"""tengshaofeng's training on CIFAR-10 with mixup.

Source: tengshaofeng/ResidualAttentionNetwork-pytorch at commit 88ed90f,
Residual-Attention-Network/train_mixup.py: PyTorch's SGD with Nesterov momentum .9, weight decay
1e-4 on everything, batches of 64, 320 epochs, a rate of .1 divided by 10 after .3, .6 and .9 of
them (96, 192 and 288), mixup with one weight a batch from Beta(1, 1) in the first 301 epochs,
images padded by 4, random crops, mirrored images, pixels from 0 to 1.
Ours: PyTorch keeps the rate outside the velocity and Caffe inside, so that for some steps after
each of the three drops the two rules part (theirs takes the whole velocity down with the rate,
`caffe-nesterov` lets it run out); epochs of 781 whole batches, where theirs have one of 16 images
more; pixels from -1 to 1, so that the padding is grey where theirs is black; weights as He et al.
2015, where PyTorch draws its own. The drops are written in steps, for 50,000 training images.
Command:
`python -m ranparity.run --model attention56-cifar --data cifar10 --recipe tengshaofeng-mixup`
Cost: not measured here; 249,920 steps.
Known result: none here. Theirs (README), with Attention-92 of 128 to 1,024 channels, the best of
all epochs on the test images: 96.65 %, and 96.84 % with a simpler module; 95.4 % without mixup.
"""

from ranparity.training.recipe import Recipe, Stage

STEPS_PER_EPOCH = 50_000 // 64

RECIPE = Recipe(
    name="tengshaofeng-mixup",
    stages=(
        Stage(
            epochs=320,
            batch_size=64,
            learning_rate=0.1,
            schedule=(
                (96 * STEPS_PER_EPOCH, 0.1),
                (192 * STEPS_PER_EPOCH, 0.01),
                (288 * STEPS_PER_EPOCH, 0.001),
            ),
            update="caffe-nesterov",
            momentum=0.9,
            weight_decay=1e-4,
            normalisation="range",
            padding=4,
            flip=True,
            mixup=1.0,
            mixup_epochs=301,
        ),
    ),
)
