#!/usr/bin/env python3
"""Fresh networks of published packages against Hilum: other seeds and widths than the golden vectors.

    pip install torch torchvision monai dynamic-network-architectures safetensors
    python docs/parity/import_check.py path/to/hilum

Each network is made, its running statistics are disturbed, its state dict is saved with torch.save, imported with
`hilum models import`, run with `hilum net forward`, compared, exported again and loaded with strict=True.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from monai.networks.nets import UNETR, AttentionUnet
from safetensors.torch import load_file, save_file
from torchvision.models.segmentation import deeplabv3_resnet50

HILUM = sys.argv[1]
TOLERANCE = 2e-4


def unetr():
    config = dict(in_channels=2, out_channels=3, img_size=[32, 48, 32], feature_size=6, hidden_size=36, mlp_dim=72,
                  num_heads=6)
    return "unetr", config, UNETR(**{**config, "img_size": (32, 48, 32)}), (1, 2, 32, 48, 32)


def attention_unet():
    config = dict(spatial_dims=3, in_channels=2, out_channels=3, channels=[6, 12, 18], strides=[2, 2])
    return "monai_attention_unet", config, AttentionUnet(**config), (1, 2, 24, 16, 32)


def plain_conv_unet():
    config = dict(input_channels=2, n_stages=3, features_per_stage=[6, 10, 14], kernel_sizes=3, strides=[1, 2, 2],
                  n_conv_per_stage=2, num_classes=3, n_conv_per_stage_decoder=2, conv_bias=True)
    net = PlainConvUNet(conv_op=torch.nn.Conv3d, norm_op=torch.nn.InstanceNorm3d,
                        norm_op_kwargs=dict(eps=1e-5, affine=True), nonlin=torch.nn.LeakyReLU,
                        nonlin_kwargs=dict(inplace=True), deep_supervision=False, **config)
    return "plain_conv_unet", config, net, (1, 2, 16, 24, 32)


def deeplab():
    net = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=5, aux_loss=True)
    config = dict(num_classes=5, trunk=dict(block="bottleneck", layers=[3, 4, 6, 3]))
    return "deeplabv3", config, net, (1, 3, 97, 129)


def disturbed(net):
    for module in net.modules():
        if getattr(module, "running_mean", None) is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


def run(*arguments):
    done = subprocess.run([HILUM, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"hilum {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def check(make, folder):
    torch.manual_seed(20261121)
    arch, config, net, shape = make()
    net = disturbed(net)
    x = torch.randn(shape)
    with torch.no_grad():
        wanted = net(x)
    wanted = wanted["out"] if isinstance(wanted, dict) else wanted
    torch.save(net.state_dict(), folder / "net.pth")
    save_file({"in.x": x}, folder / "in.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    models = folder / "models"
    models.mkdir(exist_ok=True)
    run("--json", "--models", models, "models", "import", folder / "net.pth", "--arch", arch, "--config",
        folder / "config.json", "--name", arch, "--replace")
    weights = models / arch / "weights.safetensors"
    run("--json", "net", "forward", arch, "--config", folder / "config.json", "--weights", weights, "--input",
        folder / "in.safetensors", "--out", folder / "out.safetensors", "--device", "cpu")
    answer = load_file(folder / "out.safetensors")
    found = answer.get("out.y", answer.get("out.out")).reshape(wanted.shape)
    relative = ((found - wanted).abs().max() / wanted.abs().max()).item()
    run("--json", "--models", models, "models", "export", arch, "--out", folder / "back.safetensors")
    net.load_state_dict(load_file(folder / "back.safetensors"), strict=True)
    print(f"{arch:24} max|d| {relative:.1e} of absmax, export loads strictly")
    return relative <= TOLERANCE


with tempfile.TemporaryDirectory() as home:
    results = [check(make, Path(home)) for make in (unetr, attention_unet, plain_conv_unet, deeplab)]
sys.exit(0 if all(results) else 1)
