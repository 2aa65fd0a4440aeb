"""What is downloaded and what is shipped: which files, from where, under which licence, and whether they are intact."""
