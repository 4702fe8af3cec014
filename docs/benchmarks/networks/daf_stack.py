"""Multi-scale self-guided attention (Sinha & Dolz, IEEE JBHI 2021) on torchvision's ResNeXt-101."""

import torch
from torch import nn
from torch.nn.functional import interpolate
from torchvision.models import resnext101_32x8d


def unit(before, after, kernel, activation):
    conv = nn.Conv2d(before, after, kernel, padding=kernel // 2)
    return [conv, nn.BatchNorm2d(after), activation]


class Trunk(nn.Module):
    def __init__(self):
        super().__init__()
        net = resnext101_32x8d(weights=None)
        stem = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        self.layer0 = nn.Sequential(stem, net.bn1, net.relu)
        self.layer1 = nn.Sequential(net.maxpool, net.layer1)
        self.layer2, self.layer3, self.layer4 = net.layer2, net.layer3, net.layer4

    def forward(self, x):
        stages = [self.layer1(self.layer0(x))]
        for layer in (self.layer2, self.layer3, self.layer4):
            stages.append(layer(stages[-1]))
        return stages


class Fusion(nn.Module):
    def __init__(self, before, after, last):
        super().__init__()
        self.fuse_attn = nn.Sequential(*unit(before, after, 3, nn.PReLU()), *unit(after, after, 3, nn.PReLU()),
                                       *unit(after, after, 1, last))

    def forward(self, x):
        return self.fuse_attn(x)


class Position(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.query_conv = nn.Conv2d(channels, channels // 8, 1)
        self.key_conv = nn.Conv2d(channels, channels // 8, 1)
        self.value_conv = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        query, key, value = (layer(x).flatten(2) for layer in (self.query_conv, self.key_conv, self.value_conv))
        attention = torch.softmax(torch.bmm(query.transpose(1, 2), key), 2)
        return self.gamma * torch.bmm(value, attention.transpose(1, 2)).view_as(x) + x


class Channel(nn.Module):
    def __init__(self):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        columns = x.flatten(2)
        energy = torch.bmm(columns, columns.transpose(1, 2))
        attention = torch.softmax(energy.amax(2, keepdim=True) - energy, 2)
        return self.gamma * torch.bmm(attention, columns).view_as(x) + x


class Attended(nn.Module):
    def __init__(self, channels, attention):
        super().__init__()
        self.attn = nn.Sequential(*unit(2 * channels, channels, 3, nn.PReLU()), attention,
                                  *unit(channels, channels, 3, nn.PReLU()))

    def forward(self, x):
        return self.attn(x)


class Stage(nn.Module):
    """Half of the auto-encoder's level: two convolutions, then to half or twice the size."""

    def __init__(self, name, before, after):
        super().__init__()
        size = nn.MaxPool2d(2) if name == "encode" else nn.ConvTranspose2d(after, after, 2, stride=2)
        layers = [*unit(before, after, 3, nn.ReLU()), *unit(after, after, 3, nn.ReLU()), size]
        setattr(self, name, nn.Sequential(*layers))
        self.name = name

    def forward(self, x):
        return getattr(self, self.name)(x)


class Semantic(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.enc1, self.enc2 = Stage("encode", channels, 2 * channels), Stage("encode", 2 * channels, 4 * channels)
        self.dec2, self.dec1 = Stage("decode", 4 * channels, 2 * channels), Stage("decode", 2 * channels, channels)

    def forward(self, x):
        half = self.enc1(x)
        return self.dec1(resized(self.dec2(self.enc2(half)), half.shape[2:]))


def resized(x, size):
    return interpolate(x, size=size, mode="bilinear")


class DAFStack(nn.Module):
    def __init__(self, num_classes=5, width=64):
        super().__init__()
        self.resnext = Trunk()
        self.fuse1 = Fusion(4 * width, width, nn.PReLU())
        for stage, channels in enumerate((256, 512, 1024, 2048), start=1):
            setattr(self, f"down{stage}", nn.Sequential(*unit(channels, width, 1, nn.PReLU())))
            # Part of every checkpoint, and never run.
            setattr(self, f"attention{stage}", Fusion(2 * width, width, nn.Softmax(1)))
            setattr(self, f"refine{stage}", Fusion(2 * width, width, nn.PReLU()))
            for name in ("conv6", "conv7"):
                layers = nn.Sequential(nn.Dropout2d(0.1), nn.Conv2d(width, width, 1))
                setattr(self, f"{name}_{stage}", layers)
            for step, (conv8, predict) in enumerate((("conv8_", ""), ("conv8_1", "_2")), start=1):
                setattr(self, f"pam_attention_{step}_{stage}", Attended(width, Position(width)))
                setattr(self, f"cam_attention_{step}_{stage}", Attended(width, Channel()))
                setattr(self, f"conv_sem_{step}_{stage}", nn.Conv2d(2 * width, width, 3, padding=1))
                setattr(self, f"{conv8}{stage}", nn.Conv2d(width, width, 1))
                setattr(self, f"predict{stage}{predict}", nn.Conv2d(width, num_classes, 1))
        self.semanticModule_1_1, self.semanticModule_2_1 = Semantic(2 * width), Semantic(2 * width)

    def guided(self, step, stage, z):
        # These layers are numbered from the coarsest scale, the attention from the finest.
        number = 5 - stage
        layer = lambda name: getattr(self, name)
        seen = layer(f"cam_attention_{step}_{stage}")(z) + layer(f"pam_attention_{step}_{stage}")(z)
        reconstruction = layer(f"semanticModule_{step}_1")(z)
        conv8 = layer(f"conv8_{number}" if step == 1 else f"conv8_1{number}")
        return conv8(seen * layer(f"conv_sem_{step}_{number}")(reconstruction))

    def forward(self, x):
        size = x.shape[2:]
        stages = self.resnext(x)
        quarter = stages[0].shape[2:]
        down = {stage: resized(getattr(self, f"down{stage}")(stages[stage - 1]), quarter) for stage in (4, 3, 2, 1)}
        fused = self.fuse1(torch.cat(tuple(down.values()), 1))
        answers = []
        for stage, own in down.items():
            # The published code predicts from the first step too, also where nobody trains.
            resized(getattr(self, f"predict{stage}")(own), size)
            attention = self.guided(1, stage, torch.cat((own, fused), 1))
            refined = self.guided(2, stage, torch.cat((own, attention * fused), 1))
            answers.append(resized(getattr(self, f"predict{stage}_2")(refined), size))
        return sum(answers) / len(answers)


def build(config):
    return DAFStack(**config)
