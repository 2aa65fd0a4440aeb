"""One recogniser's template in another's space: a linear map fitted on pairs, and what a template gives away."""
