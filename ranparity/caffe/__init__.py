"""Reads and writes Caffe networks without Caffe. Imports no Keras and no framework."""
