"""Datasets in, one sample type out."""
