"""Attention U-Nets (Oktay et al., 2018) as in LeeJunHyun/Image_Segmentation and in Attention-Gated-Networks."""

import torch
from torch import nn
from torch.nn.functional import interpolate


def unit(conv, norm):
    return [conv, norm, nn.ReLU(inplace=True)]


# Planar: gates at the skip connections' own resolution.


class PlanarDouble(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        layers = []
        for channels in (before, after):
            layers += unit(nn.Conv2d(channels, after, 3, padding=1), nn.BatchNorm2d(after))
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return self.conv(x)


class PlanarUp(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.up = nn.Sequential(nn.Upsample(scale_factor=2),
                                *unit(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after)))

    def forward(self, x):
        return self.up(x)


class PlanarGate(nn.Module):
    def __init__(self, channels, inner):
        super().__init__()
        compared = lambda before, after: [nn.Conv2d(before, after, 1), nn.BatchNorm2d(after)]
        self.W_g = nn.Sequential(*compared(channels, inner))
        self.W_x = nn.Sequential(*compared(channels, inner))
        self.psi = nn.Sequential(*compared(inner, 1), nn.Sigmoid())

    def forward(self, gating, skip):
        return skip * self.psi(torch.relu(self.W_g(gating) + self.W_x(skip)))


class PlanarAttentionUNet(nn.Module):
    WIDTHS = (64, 128, 256, 512, 1024)

    def __init__(self, img_ch=3, output_ch=1, widths=WIDTHS, finest_gate_width=32):
        super().__init__()
        inner = (finest_gate_width, *widths[:3])
        for level, width in enumerate(widths, start=1):
            setattr(self, f"Conv{level}", PlanarDouble(widths[level - 2] if level > 1 else img_ch, width))
        for level in range(2, 6):
            skip = widths[level - 2]
            setattr(self, f"Up{level}", PlanarUp(widths[level - 1], skip))
            setattr(self, f"Att{level}", PlanarGate(skip, inner[level - 2]))
            setattr(self, f"Up_conv{level}", PlanarDouble(2 * skip, skip))
        self.Conv_1x1 = nn.Conv2d(widths[0], output_ch, 1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        x = self.Conv1(x)
        skips = []
        for level in range(2, 6):
            skips.append(x)
            x = getattr(self, f"Conv{level}")(self.pool(x))
        for level in range(5, 1, -1):
            up = getattr(self, f"Up{level}")(x)
            skip = getattr(self, f"Att{level}")(up, skips.pop())
            x = getattr(self, f"Up_conv{level}")(torch.cat((skip, up), 1))
        return self.Conv_1x1(x)


def planar(config):
    return PlanarAttentionUNet(**config)


# Volumes: gates on a coarser grid.


class Double(nn.Module):
    def __init__(self, before, after, kernel):
        super().__init__()
        padding = tuple(size // 2 for size in kernel)
        make = lambda channels: nn.Sequential(
            *unit(nn.Conv3d(channels, after, kernel, padding=padding), nn.BatchNorm3d(after)))
        self.conv1, self.conv2 = make(before), make(after)

    def forward(self, x):
        return self.conv2(self.conv1(x))


class Gating(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.conv1 = nn.Sequential(*unit(nn.Conv3d(before, after, 1), nn.BatchNorm3d(after)))

    def forward(self, x):
        return self.conv1(x)


class GridGate(nn.Module):
    def __init__(self, channels, gating, subsampling):
        super().__init__()
        self.theta = nn.Conv3d(channels, channels, subsampling, stride=subsampling, bias=False)
        self.phi = nn.Conv3d(gating, channels, 1)
        self.psi = nn.Conv3d(channels, 1, 1)
        self.W = nn.Sequential(nn.Conv3d(channels, channels, 1), nn.BatchNorm3d(channels))

    def forward(self, skip, gating):
        theta = self.theta(skip)
        phi = interpolate(self.phi(gating), size=theta.shape[2:], mode="trilinear")
        alpha = torch.sigmoid(self.psi(torch.relu(theta + phi)))
        alpha = interpolate(alpha, size=skip.shape[2:], mode="trilinear")
        return self.W(alpha * skip)


class CombinedGate(nn.Module):
    """One gate, then a convolution."""

    def __init__(self, channels, gating, subsampling):
        super().__init__()
        self.gate_block_1 = GridGate(channels, gating, subsampling)
        self.combine_gates = nn.Sequential(*unit(nn.Conv3d(channels, channels, 1), nn.BatchNorm3d(channels)))

    def forward(self, skip, gating):
        return self.combine_gates(self.gate_block_1(skip, gating))


class Merge(nn.Module):
    """Enlarges the coarse features, by interpolation or a transposed convolution, and joins the skip connection."""

    def __init__(self, coarse, skip, kernel, factor, transposed):
        super().__init__()
        self.factor = tuple(float(size) for size in factor)
        if transposed:
            large = tuple(4 if size == 2 else 1 for size in factor)
            padding = tuple(size // 4 for size in large)
            self.up = nn.ConvTranspose3d(coarse, skip, large, stride=factor, padding=padding)
        else:
            self.up = None
        self.conv = Double(skip + (skip if transposed else coarse), skip, kernel)

    def forward(self, skip, x):
        up = self.up(x) if self.up is not None else interpolate(x, scale_factor=self.factor, mode="trilinear")
        return self.conv(torch.cat((skip, up), 1))


class Supervised(nn.Module):
    def __init__(self, channels, classes, factor):
        super().__init__()
        self.dsv = nn.Sequential(nn.Conv3d(channels, classes, 1), nn.Upsample(scale_factor=factor, mode="trilinear"))

    def forward(self, x):
        return self.dsv(x)


class VolumeAttentionUNet(nn.Module):
    def __init__(self, n_classes, in_channels, feature_scale, subsampling, grid, deconv=False, slice_axis=2):
        super().__init__()
        widths = [width // feature_scale for width in (64, 128, 256, 512, 1024)]
        flat = lambda within, across: tuple(across if axis == slice_axis else within for axis in range(3))
        kernel, factor = (flat(3, 1), flat(2, 1)) if grid else ((3,) * 3, (2,) * 3)
        self.grid = grid
        self.pool = nn.MaxPool3d(factor)
        for level, width in enumerate(widths):
            stage = Double(widths[level - 1] if level else in_channels, width, kernel)
            setattr(self, f"conv{level + 1}" if level < 4 else "center", stage)
        self.gating = Gating(widths[4], widths[3] if grid else widths[4])
        for level in range(4):
            skip, coarse = widths[level], widths[level + 1]
            setattr(self, f"up_concat{level + 1}", Merge(coarse, skip, kernel, factor, grid and deconv))
            if level:
                gate = GridGate(skip, widths[3], subsampling) if grid else CombinedGate(skip, coarse, subsampling)
                setattr(self, f"attentionblock{level + 1}", gate)
        if not grid:
            self.dsv1 = nn.Conv3d(widths[0], n_classes, 1)
            for level in range(1, 4):
                setattr(self, f"dsv{level + 1}", Supervised(widths[level], n_classes, 2 ** level))
        self.final = nn.Conv3d(widths[0] if grid else 4 * n_classes, n_classes, 1)

    def forward(self, x):
        skips = []
        for level in range(1, 5):
            x = getattr(self, f"conv{level}")(self.pool(x) if level > 1 else x)
            skips.append(x)
        x = self.center(self.pool(x))
        signal = self.gating(x)
        supervised = []
        for level in range(4, 0, -1):
            skip = skips.pop()
            if level > 1:
                skip = getattr(self, f"attentionblock{level}")(skip, signal)
            x = getattr(self, f"up_concat{level}")(skip, x)
            if not self.grid:
                # The next gate listens to this level.
                signal = x
                supervised.insert(0, getattr(self, f"dsv{level}")(x))
        return self.final(x if self.grid else torch.cat(supervised, 1))


def volume(config):
    return _volume(config, grid=False)


def grid(config):
    return _volume(config, grid=True)


def _volume(config, grid):
    defaults = dict(n_classes=21, in_channels=3, feature_scale=4, attention_dsample=(2, 2, 2))
    values = {**defaults, **config}
    shared = (values["n_classes"], values["in_channels"], values["feature_scale"], tuple(values["attention_dsample"]))
    return VolumeAttentionUNet(*shared, grid, values.get("is_deconv", True), values.get("slice_axis", 0))
