"""3D-ESPNet (Nuechterlein & Mehta, 2018)."""

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool3d, interpolate


class ConvNorm(nn.Module):
    """Convolution without bias, batch normalisation, ReLU (or none)."""

    def __init__(self, before, after, kernel, stride=1, active=True):
        super().__init__()
        self.conv = nn.Conv3d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm3d(after, eps=1e-3)
        self.active = active

    def forward(self, x):
        x = self.bn(self.conv(x))
        return torch.relu(x) if self.active else x


class Bare(nn.Module):
    def __init__(self, before, after, kernel, stride=1, dilation=1):
        super().__init__()
        self.conv = nn.Conv3d(before, after, kernel, stride=stride, padding=dilation * (kernel // 2), dilation=dilation,
                              bias=False)

    def forward(self, x):
        return self.conv(x)


class Pyramid(nn.Module):
    """The ESP block: reduce, four parallel convolutions, hierarchical sums."""

    def __init__(self, before, after, stride=1):
        super().__init__()
        inner = after // 4
        self.c1 = ConvNorm(before, inner, 1)
        self.d1 = Bare(inner, after - 3 * inner, 3, stride)
        self.d2 = Bare(inner, inner, 3, stride)
        self.d4 = Bare(inner, inner, 3, stride, dilation=2)
        self.d8 = Bare(inner, inner, 3, stride, dilation=2)
        self.bn = nn.BatchNorm3d(after)

    def forward(self, x):
        reduced = self.c1(x)
        first = self.d2(reduced)
        second = first + self.d4(reduced)
        third = second + self.d8(reduced)
        y = self.bn(torch.cat((self.d1(reduced), first, second, third), 1))
        return torch.relu(y + x if y.shape == x.shape else y)


class SumOfKernels(nn.Module):
    def __init__(self, channels):
        super().__init__()
        for name, kernel in (("d1", 3), ("d2", 5), ("d4", 7), ("d8", 9)):
            setattr(self, name, ConvNorm(channels, channels, kernel, active=False))

    def forward(self, x):
        return torch.relu(x + self.d1(x) + self.d2(x) + self.d4(x) + self.d8(x))


class Enlarged(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.up = ConvNorm(before, after, 3)

    def forward(self, x):
        return interpolate(self.up(x), scale_factor=2.0, mode="trilinear")


class Scale(nn.Module):
    def __init__(self, channels, scale):
        super().__init__()
        self.features, self.scale = ConvNorm(channels, channels, 3), scale

    def forward(self, x):
        size = [max(1, int(axis * self.scale)) for axis in x.shape[2:]]
        return interpolate(self.features(adaptive_avg_pool3d(x, size)), size=x.shape[2:], mode="trilinear")


class ESPNet(nn.Module):
    def __init__(self, classes=4, channels=4, widths=(16, 32, 128, 256)):
        super().__init__()
        w0, w1, w2, w3 = widths
        self.level0 = ConvNorm(channels, w0, 7, stride=2)
        self.level1 = nn.Sequential(Pyramid(w0, w1), Pyramid(w1, w1))
        self.level2 = Pyramid(w1, w2, stride=2)
        self.level_2 = nn.Sequential(Pyramid(w2, w2), Pyramid(w2, w2))
        self.level3_0 = Pyramid(w2, w3, stride=2)
        self.level_3 = nn.Sequential(*(Pyramid(w3, w3) for _ in range(3)))
        self.up_l3_l2, self.merge_l2 = Enlarged(w3, w2), Pyramid(2 * w2, w2)
        self.dec_l2 = nn.Sequential(Pyramid(w2, w2), Pyramid(w2, w2))
        self.up_l2_l1, self.merge_l1 = Enlarged(w2, w1), Pyramid(2 * w1, w1)
        self.dec_l1 = nn.Sequential(Pyramid(w1, w1), Pyramid(w1, w1), ConvNorm(w1, classes, 3), SumOfKernels(classes))
        self.pspModules = nn.ModuleList(Scale(classes, scale) for scale in (0.2, 0.4, 0.6, 0.8))
        self.classifier = nn.Sequential(
            ConvNorm(5 * classes, classes, 3), SumOfKernels(classes), nn.Upsample(scale_factor=2),
            ConvNorm(classes, classes, 7), Bare(classes, classes, 1))

    def forward(self, x):
        size = x.shape[2:]
        # To the next multiple of 8.
        x = adaptive_avg_pool3d(x, [-(-axis // 8) * 8 for axis in size])
        level1 = self.level1(self.level0(x))
        level2 = self.level_2(self.level2(level1))
        x = self.level_3(self.level3_0(level2))
        x = self.dec_l2(self.merge_l2(torch.cat((self.up_l3_l2(x), level2), 1)))
        x = self.dec_l1(self.merge_l1(torch.cat((self.up_l2_l1(x), level1), 1)))
        x = torch.cat([x] + [scale(x) for scale in self.pspModules], 1)
        return interpolate(self.classifier(x), size=size, mode="trilinear")


def build(config):
    return ESPNet(**config)
