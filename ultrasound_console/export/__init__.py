"""What leaves the console: results, recordings, pictures, streams."""
