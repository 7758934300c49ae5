"""Making, training and judging the network; PyTorch is needed to train only."""
