"""The paper's training on ImageNet, as far as the paper gives it.

Source: Wang et al., Residual Attention Network for Image Classification, CVPR 2017, section 4.2:
SGD with momentum .9, a rate of .1 that is divided by 10 at 200,000, 400,000 and 500,000 steps,
530,000 steps.
Ours: batches of 256, with which 530,000 steps are 106 passes over 1,281,167 images (the authors'
README asks for 32 images a GPU at least, and names no number of GPUs), and the weight decay of
1e-4, mirrored images and the mean of each pixel taken away, which are the CIFAR recipe's; and
random crops of the net's size from the middle square of images whose shorter side is 8/7 of it,
where the authors also alter scale and aspect ratio (fwang91/residual-attention-network, README).
Command: `python -m ranparity.run --model attention56 --data folder:PATH --recipe paper-imagenet`
Cost: not measured here, and out of a CPU's reach: a step of 8 images in PyTorch alone takes 1.6 s
on two cores, so 530,000 of 256 would take ten months.
Known result: none here. The paper, errors top-1/top-5 (Table 7): Attention-56 21.76/5.9 %,
AttentionNeXt-56 21.2/5.6 % at 224, and Attention-92 19.5/4.8 % at 320.
"""

from ranparity.training.recipe import Recipe, Stage

RECIPE = Recipe(
    name="paper-imagenet",
    stages=(
        Stage(
            steps=530_000,
            batch_size=256,
            learning_rate=0.1,
            schedule=((200_000, 0.1), (400_000, 0.01), (500_000, 0.001)),
            update="caffe-sgd",
            momentum=0.9,
            weight_decay=1e-4,
            normalisation="pixel-mean",
            flip=True,
        ),
    ),
)
