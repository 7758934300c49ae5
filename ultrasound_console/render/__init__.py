"""The picture: one canvas, three linked panels."""
