"""Everything that needs torch; importing it registers CrossFormer with timm."""

from lightning_modules.networks import crossformer as crossformer

__all__ = ["crossformer"]
