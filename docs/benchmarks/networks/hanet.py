"""HANet (Ding et al., arXiv 1911.08777), as Hilum reads the paper: ResNet-101 with the multi-grid rule, attention along
the hops of a graph of correlated pixels, the decoder of DeepLabV3+."""

import torch
from torch import nn
from torch.nn.functional import interpolate
from torchvision.models import resnet101


def unit(before, after, kernel):
    conv = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]


def trunk(output_stride):
    """torchvision's ResNet-101 without its classifier, the last stage with dilations 1, 2, 4 times the rate."""
    dilated = {16: (False, False, True), 8: (False, True, True)}[output_stride]
    net = resnet101(weights=None, replace_stride_with_dilation=dilated)
    del net.fc, net.avgpool
    rate = 32 // output_stride
    for index, block in enumerate(net.layer4):
        set_dilation(block, rate << index)
    if output_stride == 8:
        for block in net.layer3:
            set_dilation(block, 2)
    return net


def set_dilation(block, dilation):
    block.conv2.dilation = block.conv2.padding = (dilation, dilation)


class HierarchicalAttention(nn.Module):
    def __init__(self, channels, hops, delta):
        super().__init__()
        self.query, self.key = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)
        self.value = nn.Sequential(*unit(channels, channels, 1))
        self.hop = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(hops))
        self.fuse = nn.Conv2d(hops * channels, channels, 1)
        self.delta = delta

    def forward(self, x):
        batch, channels, height, width = x.shape
        query, key, value = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        logits = torch.bmm(query.transpose(1, 2) * channels ** -0.5, key)
        least, greatest = logits.amin(2, keepdim=True), logits.amax(2, keepdim=True)
        # 1 − (max − A)/(max − min), so that a flat row keeps its edges.
        normal = 1 - (greatest - logits) / (greatest - least).clamp_min(torch.finfo(logits.dtype).tiny)
        edges = (normal >= self.delta).to(logits.dtype)
        reach, mixed = edges, []
        for index, conv in enumerate(self.hop):
            if index:
                reach = (torch.bmm(reach, edges) > 0.5).to(logits.dtype)
            attention = torch.softmax(logits.masked_fill(reach == 0, float("-inf")), 2)
            seen = torch.bmm(value, attention.transpose(1, 2))
            mixed.append(conv(seen.view(batch, channels, height, width)))
        return self.fuse(torch.cat(mixed, 1))


class Decoder(nn.Module):
    def __init__(self, low, reduced, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(low, reduced, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(reduced)
        self.last_conv = nn.Sequential(
            *unit(channels + reduced, channels, 3), nn.Dropout(0.5), *unit(channels, channels, 3), nn.Dropout(0.1),
            nn.Conv2d(channels, classes, 1))

    def forward(self, x, low):
        low = torch.relu(self.bn1(self.conv1(low)))
        x = interpolate(x, size=low.shape[2:], mode="bilinear", align_corners=True)
        return self.last_conv(torch.cat((x, low), 1))


class HANet(nn.Module):
    def __init__(self, num_classes=3, output_stride=16, channels=512, decoder_channels=256, low_level_channels=48, n=2,
                 delta=0.5):
        super().__init__()
        self.backbone = trunk(output_stride)
        self.reduce = nn.Sequential(*unit(2048, channels, 3))
        self.ha = HierarchicalAttention(channels, n, delta)
        self.bottleneck = nn.Sequential(*unit(channels, decoder_channels, 3))
        self.decoder = Decoder(256, low_level_channels, decoder_channels, num_classes)

    def forward(self, x):
        net = self.backbone
        y = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        low = net.layer1(y)
        y = net.layer4(net.layer3(net.layer2(low)))
        y = self.bottleneck(self.ha(self.reduce(y)))
        return interpolate(self.decoder(y, low), size=x.shape[2:], mode="bilinear", align_corners=True)


def build(config):
    return HANet(**config)
