"""The commands, by their needs: a running service, its patients, or only files."""
