"""PyTorch, or one line that says where to get it."""

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    raise ImportError("training needs PyTorch: install the extra 'train'") from error

__all__ = ["Tensor", "functional", "nn", "torch"]
