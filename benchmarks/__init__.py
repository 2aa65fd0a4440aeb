"""Measurements for the documents, each a program of its own."""

import os

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # its imports speak of torchvision
