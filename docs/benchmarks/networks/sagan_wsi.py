"""SAGAN's generator for whole slides (N. Siddiqui, 2020): residual blocks, self-attention, and weights divided by their
spectral norm in every run. Answers with logits, without the softmax behind them."""

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d, conv_transpose2d, leaky_relu, normalize


class SpectralConv(nn.Module):
    def __init__(self, before, after, kernel=3, doubles=False):
        super().__init__()
        shape = (before, after) if doubles else (after, before)
        self.weight = nn.Parameter(torch.empty(*shape, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(after))
        self.register_buffer("u", torch.zeros(shape[0]))
        self.doubles, self.padding = doubles, kernel // 2

    def forward(self, x):
        matrix = self.weight.flatten(1)
        v = normalize(matrix.t().mv(self.u), dim=0)
        u = normalize(matrix.mv(v), dim=0)
        weight = self.weight / u.dot(matrix.mv(v))
        if not self.doubles:
            return conv2d(x, weight, self.bias, padding=self.padding)
        # Keras' "same": the full result less its last row and column.
        return conv_transpose2d(x, weight, self.bias, stride=2)[:, :, :-1, :-1]


class First(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.c1, self.c2 = SpectralConv(before, after), SpectralConv(after, after)
        self.cr = SpectralConv(before, after)

    def forward(self, x):
        return avg_pool2d(self.c2(leaky_relu(self.c1(x), 0.2)), 2) + self.cr(avg_pool2d(x, 2))


class Down(nn.Module):
    def __init__(self, before, after, halves=True):
        super().__init__()
        self.c1, self.c2, self.c3 = (SpectralConv(channels, after) for channels in (before, after, after))
        self.cr = SpectralConv(before, after) if halves else None

    def forward(self, x):
        y = self.c3(leaky_relu(self.c2(leaky_relu(self.c1(x), 0.2)), 0.2))
        return x + y if self.cr is None else avg_pool2d(y, 2) + avg_pool2d(self.cr(x), 2)


class SelfAttention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.f, self.g = SpectralConv(channels, channels // 4, 1), SpectralConv(channels, channels // 4, 1)
        self.h, self.v = SpectralConv(channels, channels // 2, 1), SpectralConv(channels // 2, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        f, g, h = (layer(x).flatten(2) for layer in (self.f, self.g, self.h))
        attention = torch.softmax(torch.bmm(f.transpose(1, 2), g), 2)
        seen = torch.bmm(h, attention.transpose(1, 2)).view(x.shape[0], -1, *x.shape[2:])
        return x + self.gamma * self.v(seen)


class Up(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.bn = nn.BatchNorm2d(before, eps=1e-3)
        self.c, self.cr = SpectralConv(before, after, doubles=True), SpectralConv(before, after, doubles=True)

    def forward(self, x):
        return self.c(torch.relu(self.bn(x))) + self.cr(x)


class Trunk(nn.Module):
    def __init__(self, channels, w):
        super().__init__()
        self.b1, self.b2, self.att = First(channels, w), Down(w, 2 * w), SelfAttention(2 * w)
        self.b3, self.b4, self.b5 = Down(2 * w, 4 * w), Down(4 * w, 8 * w), Down(8 * w, 8 * w)
        self.b6, self.b7 = Down(8 * w, 16 * w), Down(16 * w, 16 * w, halves=False)

    def forward(self, x):
        x1 = self.b1(x)
        x2 = self.b2(x1)
        x3 = self.b3(self.att(x2))
        x4 = self.b4(x3)
        x5 = self.b5(x4)
        return leaky_relu(self.b7(self.b6(x5)), 0.2), (x1, x2, x3, x4, x5)


class Generator(nn.Module):
    def __init__(self, in_channels=3, num_classes=4, w=32):
        super().__init__()
        self.trunk = Trunk(in_channels, w)
        for number, before, after in ((8, 16, 8), (9, 16, 8), (10, 16, 4), (11, 8, 2), (12, 4, 1), (13, 2, 1)):
            setattr(self, f"u{number}", Up(before * w, after * w))
        self.att_up = SelfAttention(4 * w)
        self.out = SpectralConv(w, num_classes)

    def forward(self, x):
        y, (x1, x2, x3, x4, x5) = self.trunk(x)
        for up, skip in ((self.u8, x5), (self.u9, x4), (self.u10, x3), (self.u11, x2)):
            y = torch.cat((up(y), skip), 1)
        y = torch.cat((self.u12(self.att_up(y)), x1), 1)
        return self.out(self.u13(y))


def build(config):
    return Generator(**config)
