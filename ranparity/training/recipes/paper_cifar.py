"""The paper's training on CIFAR-10 and CIFAR-100.

Source: Wang et al., Residual Attention Network for Image Classification, CVPR 2017, section 4.1:
batches of 64, Nesterov momentum .9, weight decay 1e-4, a rate of .1 that is divided by 10 at 64,000
and 96,000 steps, 160,000 steps; images padded with 4 zeros, random crops and mirrored images, the
mean of each pixel taken away; weights as He et al. 2015 (MSRA), as every run here. The decay is
Caffe's, on BN's scale and shift too (fwang91/residual-attention-network, issue 3). The paper does
not say whether the zeros come before or after the mean is taken away: after it is ours.
Command: `python -m ranparity.run --model attention56-cifar --data cifar10 --recipe paper-cifar`
Cost: not measured here. At the .55 to .71 s a step that attention56-cifar took on two CPU cores
(reports/data/runs), 160,000 steps are 24 to 31 hours, and the tests after each epoch come to that.
Known result: none here at full length; on 5,085 original records with --epochs 6, --learning-rate
0.05 and --schedule 316:0.1, 49 to 53 % of 1,017 held out (reports/data/runs). The paper: error on
CIFAR-10 of Attention-56 5.52 % (Table 1), Attention-92 4.99 % and Attention-236 4.14 %, on
CIFAR-100 21.71 % and 21.16 % for the last two (Table 6).
"""

from ranparity.training.recipe import Recipe, Stage

RECIPE = Recipe(
    name="paper-cifar",
    stages=(
        Stage(
            steps=160_000,
            batch_size=64,
            learning_rate=0.1,
            schedule=((64_000, 0.1), (96_000, 0.01)),
            update="caffe-nesterov",
            momentum=0.9,
            weight_decay=1e-4,
            normalisation="pixel-mean",
            padding=4,
            flip=True,
        ),
    ),
)
