"""What one message, one key or one mistake may do: bounded, reported, and never silence."""
