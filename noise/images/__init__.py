"""Kinds of image noise: replaced images, corruptions of CIFAR-10-C, images of other data sets."""
