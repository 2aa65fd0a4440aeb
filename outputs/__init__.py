"""What leaves the house with a picture."""
