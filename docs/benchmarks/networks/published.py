"""Networks of packages: MONAI, torchvision, dynamic-network-architectures."""

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from monai.networks.nets import UNETR, AttentionUnet
from torchvision.models.segmentation import deeplabv3_resnet101


def unetr(config):
    return UNETR(**{"in_channels": 1, "out_channels": 1, "img_size": (96, 96, 96), **config})


def attention_unet(config):
    defaults = dict(spatial_dims=3, in_channels=1, out_channels=2, channels=(16, 32, 64, 128, 256), strides=(2,) * 4)
    return AttentionUnet(**{**defaults, **config})


def plain_conv_unet(config):
    defaults = dict(input_channels=1, n_stages=5, features_per_stage=(32, 64, 128, 256, 320), kernel_sizes=3,
                    strides=(1, 2, 2, 2, 2), n_conv_per_stage=2, num_classes=2, n_conv_per_stage_decoder=2,
                    conv_bias=True, conv_op=torch.nn.Conv3d, norm_op=torch.nn.InstanceNorm3d,
                    norm_op_kwargs=dict(eps=1e-5, affine=True), nonlin=torch.nn.LeakyReLU,
                    nonlin_kwargs=dict(inplace=True), deep_supervision=False)
    return PlainConvUNet(**{**defaults, **config})


class Prediction(torch.nn.Module):
    """The prediction alone of a torchvision network that answers with a dictionary."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)["out"]

    def load_state_dict(self, weights, strict=True):
        return self.net.load_state_dict(weights, strict=strict)


def deeplabv3(config):
    classes, auxiliary = config.get("num_classes", 21), config.get("aux", True)
    net = deeplabv3_resnet101(weights=None, weights_backbone=None, num_classes=classes, aux_loss=auxiliary)
    return Prediction(net)
