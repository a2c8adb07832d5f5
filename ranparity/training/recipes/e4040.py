"""A course project's training on CIFAR-10 and CIFAR-100 (Columbia, E4040).

Source: rahullokesh/Residual-Attention-Network-For-Image-Classification at commit f658942, the group
rl3164/so2639/st3425, CIFAR10_attn56_arl_mixed.ipynb and the four others on Attention-56, which
agree: Keras's Adam at its defaults (rate 1e-3, no decay), batches of 64, at most 250 epochs, an end
after 15 epochs without a better training accuracy, each channel's mean and deviation, images
mirrored and shifted by up to .15 of their side each way with edge pixels repeated. Other groups of
the course trained otherwise, such as xh2510/qt2139/kl3350 with rotated images.
Ours: whole pixels, so shifts of up to 4 for their 4.8; patience on the test accuracy, which is what
is measured here after each epoch; the statistics of the training images, for theirs written to one
decimal; all 50,000 images, where they train on 40,000 and keep the others to look at; weights as He
et al. 2015, where Keras draws Glorot's.
Command: `python -m ranparity.run --model attention56-cifar --data cifar10 --recipe e4040`
Cost: not measured here; at most 195,250 steps. Theirs took about 50 s an epoch on one GPU, which
they do not name.
Known result: none here. Theirs, test accuracy, with a net of another stem and width: Attention-56
on CIFAR-10 86.26 % (mixed attention), 86.66 % (spatial), 85.66 % without residual learning; on
CIFAR-100 54.77 % (spatial) and 53.46 % without residual learning.
"""

from ranparity.training.recipe import Recipe, Stage

RECIPE = Recipe(
    name="e4040",
    stages=(
        Stage(
            epochs=250,
            batch_size=64,
            learning_rate=1e-3,
            update="adamw-keras",  # without decay it is Keras's Adam
            momentum=0.9,
            weight_decay=0.0,
            normalisation="channel-standard",
            flip=True,
            shift=4,
            patience=15,
        ),
    ),
)
