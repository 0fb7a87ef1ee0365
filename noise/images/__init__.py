"""Kinds of image noise: replaced images, CIFAR-10-C, images of other data sets."""
