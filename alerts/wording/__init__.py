"""The words of pages, of the gateway and of the trend picture: a phrase is what is said, a catalogue how."""
