"""The commands, by what they need: a running service, its patients, or nothing but files."""
