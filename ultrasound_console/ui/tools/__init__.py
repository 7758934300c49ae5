"""What the mouse does to the pictures: measuring, the colour box, notes, correcting by hand."""
