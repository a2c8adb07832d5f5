"""DRA-Net's training: first the features, then, on top of them as they are, the aggregation.

Source: leinusi/Dynamic-Residual-Feature-Aggregation-Network-DRA-Net-for-Image-Classification at
commit 211373c, notebook.ipynb. The features: a ResNet-18 with its classifier of 1,000
classes, whose first ten the labels take; PyTorch's SGD at a rate of .01 with momentum .9, 3 epochs.
Then all of the net on these features, which stay as they are and in inference mode: PyTorch's AdamW
at a rate of .001 with its default decay of .01, 2 epochs, the regulariser added to the loss. Both:
CIFAR-10 enlarged to 224x224, batches of 64, no augmentation, ImageNet's mean and deviation.
The rate stays the same, so that PyTorch's SGD and Caffe's, which keeps it inside the velocity, are
one rule.
Ours: weights as He et al. 2015, where they start from ResNet-18 as trained on ImageNet: whoever has
such weights gives them with --weights. Epochs of whole batches, where theirs end with a smaller
one.
Command: `python -m ranparity.run --model dranet --data cifar10 --recipe dranet`
Cost: not measured here; 2,343 steps of ResNet-18 at 224x224, and 1,562 of its forward half.
Known result: none here, and they publish none: the notebook has no output, and the scripts beside
it import modules that are not there.
"""

from ranparity.training.recipe import Recipe, Stage

RECIPE = Recipe(
    name="dranet",
    stages=(
        Stage(
            name="features",
            part="features",
            epochs=3,
            batch_size=64,
            learning_rate=0.01,
            update="caffe-sgd",
            momentum=0.9,
            weight_decay=0.0,
            normalisation="imagenet",
        ),
        Stage(
            name="aggregation",
            part="aggregation",
            epochs=2,
            batch_size=64,
            learning_rate=1e-3,
            update="adamw-pytorch",
            momentum=0.9,
            weight_decay=0.01,
            normalisation="imagenet",
        ),
    ),
)
