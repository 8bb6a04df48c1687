"""What is measured on a GPU, and the check that does it all within minutes (`gpu_check`)."""
