"""Predictions as pictures: the plot, the rendered video and the live picture."""
