"""UNETR with Div-attention (Jiang et al., ISBI 2023), as Hilum reads the paper: MONAI's encoder, and junctions that look
where two neighbouring resolutions disagree."""

import torch
from monai.networks.nets import UNETR
from torch import nn
from torch.nn.functional import instance_norm, interpolate, leaky_relu


class Fuse(nn.Module):
    def __init__(self, channels):
        super().__init__()
        make = lambda: nn.Conv3d(channels, channels, 3, padding=1, bias=False)
        self.conv1, self.conv2 = make(), make()

    def forward(self, x):
        y = leaky_relu(instance_norm(self.conv1(x)), 0.01)
        return leaky_relu(instance_norm(self.conv2(y)) + x, 0.01)


class Junction(nn.Module):
    def __init__(self, low, channels, image):
        super().__init__()
        conv = lambda before: nn.Conv3d(before, channels, 3, padding=1, bias=False)
        rest = lambda: [nn.InstanceNorm3d(channels), nn.LeakyReLU(0.01)]
        self.up = nn.ConvTranspose3d(low, channels, 2, stride=2, bias=False)
        self.align = nn.Conv3d(channels, channels, 1)
        self.feat = nn.Sequential(conv(image), *rest(), conv(channels), *rest())
        self.fuse = Fuse(channels)

    def forward(self, low, upper, image):
        low = self.align(self.up(low))
        disagreement = (torch.sigmoid(upper) - torch.sigmoid(low)).abs().flatten(2)
        attention = (torch.softmax(disagreement, 2) * disagreement.shape[2]).view_as(upper)
        features = self.feat(interpolate(image, size=upper.shape[2:], mode="trilinear"))
        return self.fuse(upper + low + attention * features)


class UNETRDiv(nn.Module):
    def __init__(self, in_channels=1, out_channels=1, img_size=(96, 96, 96), feature_size=16, hidden_size=768,
                 mlp_dim=3072, num_heads=12):
        super().__init__()
        base = UNETR(in_channels, out_channels, img_size, feature_size, hidden_size, mlp_dim, num_heads)
        self.vit, self.encoder1, self.encoder2 = base.vit, base.encoder1, base.encoder2
        self.encoder3, self.encoder4 = base.encoder3, base.encoder4
        self.as_volume = base.proj_feat
        below = hidden_size
        for level, channels in ((5, 8), (4, 4), (3, 2), (2, 1)):
            channels *= feature_size
            setattr(self, f"div{level}", Junction(below, channels, in_channels))
            setattr(self, f"out{level}", nn.Conv3d(channels, out_channels, 1))
            below = channels

    def forward(self, image):
        x, hidden = self.vit(image)
        skips = [self.encoder1(image)]
        skips += [encoder(self.as_volume(hidden[index])) for encoder, index in
                  ((self.encoder2, 3), (self.encoder3, 6), (self.encoder4, 9))]
        low, heads = self.as_volume(x), []
        for level in (5, 4, 3, 2):
            low = getattr(self, f"div{level}")(low, skips.pop(), image)
            heads.append(getattr(self, f"out{level}")(low))
        return heads[-1]


def build(config):
    return UNETRDiv(**config)
