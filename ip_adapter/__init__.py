"""InstantID's own tensors: the net that reads a face, the attention that looks at it, the file that holds both."""
