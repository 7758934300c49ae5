"""Recording: what is acquired goes into a journal while scanning, and then into HDF5."""
