"""Levels 1 to 5 of the ladder: one process a backend writes evidence, another one judges it.

case.py        what is asked of a net
store.py       named tensors in a folder, read one at a time
state.py       weights, slots, statistics, images and targets, from the tape
probe.py       a net whose every blob can be read (Keras)
worker.py      the process of a backend (Keras)
references.py  what the arbiter gives, kept by digest
rounding.py    a tensor against its reference: rho and the verdict
decisions.py   ReLU signs and max-pool argmaxes that differ
judge.py       evidence against references, level by level
free_run.py    level 5
"""
