from . import us4r

__all__ = ["us4r"]
