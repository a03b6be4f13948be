"""Problems and warnings of a configuration."""
