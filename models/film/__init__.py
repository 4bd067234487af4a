"""An avatar out of somebody's talking video: tracking, codes, training, packing."""
