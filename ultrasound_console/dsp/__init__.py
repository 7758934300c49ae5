"""Signal processing: arrays in, arrays out. No settings, no threads, no files."""
