"""Training: the InstantID recipe for one's own base, and the drawn world that the embedded miniature learns."""
