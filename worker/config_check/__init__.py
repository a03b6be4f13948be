"""What is wrong, or only doubtful, with a configuration that can be read."""
