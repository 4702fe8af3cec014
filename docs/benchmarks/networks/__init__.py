"""The networks of `hilum bench --networks` in PyTorch, made from the configurations that Hilum writes.

Those that are published as packages are taken from there; the others are written here after their papers and the
published description of their layers, with the parameter names of the published checkpoints.
"""

from . import attention_unets, daf_stack, espnet3d, hanet, published, sagan_wsi, unetr_div

BUILDERS = {
    "attention_unet_2d": attention_unets.planar,
    "attention_unet_3d": attention_unets.volume,
    "attention_unet_grid_3d": attention_unets.grid,
    "daf_stack": daf_stack.build,
    "deeplabv3": published.deeplabv3,
    "espnet3d": espnet3d.build,
    "hanet": hanet.build,
    "monai_attention_unet": published.attention_unet,
    "plain_conv_unet": published.plain_conv_unet,
    "sagan_wsi": sagan_wsi.build,
    "unetr": published.unetr,
    "unetr_div": unetr_div.build,
}


def build(arch, config):
    """The network `arch` of a configuration, in evaluation mode; KeyError where there is none."""
    return BUILDERS[arch](config).eval()
