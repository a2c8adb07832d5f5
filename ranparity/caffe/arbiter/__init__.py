"""Runs a parsed prototxt in float64, forward and backward: what every backend is held against.

It knows nothing of Keras. Layers are one function each, in the modules that mirror
`ranparity.caffe.rules`: they compute with PyTorch's float64 operations, and its automatic
differentiation gives the gradients. Tensors are in Caffe's layouts: blobs NCHW, kernels OIHW,
products (out, in).
"""
