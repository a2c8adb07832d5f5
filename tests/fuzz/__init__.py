"""Any bytes at all, for the readers of Caffe's text and binary files."""
