"""Levels 1 to 5 of the ladder: one process a backend writes evidence, another one judges it.

case.py        what is asked of a net
store.py       named tensors in a folder, read one at a time
state.py       weights, slots, statistics, images and targets, from the tape
subjects.py    what a worker runs: a net of the zoo, or (imported.py) any Keras model
probe.py       a net whose every blob can be read (Keras)
worker.py      the process of a backend (Keras)
evidence.py    what a worker has written, in the judge's names
references.py  what the arbiter gives, kept by digest
keras_arbiter.py, keras_references.py  the same of a model that has no prototxt
rounding.py    a tensor against its reference: rho and the verdict
decisions.py   ReLU signs and max-pool argmaxes that differ
judge.py       evidence against references, level by level
free_run.py    level 5
"""
