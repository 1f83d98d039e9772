"""The smallest training run: what tests of training begin with."""

TINY = [
    "steps=6",
    "batch=16",
    "warmup=1",
    "validate_every=6",
    "checkpoint_every=3",
    "threads=1",
    "lifter.condition=16",
    "lifter.unet_widths=[16, 24]",
    "lifter.head_width=32",
    "lifter.head_blocks=1",
    "encoder.width=32",
    "encoder.blocks=1",
]
