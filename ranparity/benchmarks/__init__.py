"""How long a training step and a forward pass take, beside the same net written for PyTorch alone.

`ranparity bench` runs it. What is timed: this package's models and steps, the net as plain Keras
with `train_on_batch`, and the net as PyTorch modules; each in a process of its own, in turns.
"""
