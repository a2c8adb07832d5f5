"""Pictures and measures of a finished run: its attention masks, and its features.

`measures` and `embedding` are NumPy alone. `opening` takes a run directory up, `attention` finds
the masks in its network, and `masks` and `features` make the records that the commands write.
"""
