//! Dilations, sizes and numbers of parameters.

use burn::tensor::Device;

use super::*;
use crate::checkpoint::count_parameters;

const RULES: [DilationRule; 3] = [DilationRule::Torchvision, DilationRule::MultiGrid, DilationRule::Danet];

#[test]
fn dilations_of_the_last_two_stages_are_those_of_the_three_codes() {
    let last_two = |rule, output_stride| {
        let sampling = Sampling { output_stride, rule };
        [sampling.dilations(2, 4), sampling.dilations(3, 3)]
    };
    let [torchvision, multi_grid, danet] = RULES;
    assert_eq!(last_two(torchvision, 16), [vec![1; 4], vec![1, 2, 2]]);
    assert_eq!(last_two(torchvision, 8), [vec![1, 2, 2, 2], vec![2, 4, 4]]);
    assert_eq!(last_two(multi_grid, 16), [vec![1; 4], vec![2, 4, 8]]);
    assert_eq!(last_two(multi_grid, 8), [vec![2; 4], vec![4, 8, 16]]);
    assert_eq!(last_two(danet, 8), [vec![1, 2, 2, 2], vec![4, 8, 16]]);
    for rule in RULES {
        assert_eq!(last_two(rule, 32), [vec![1; 4], vec![1; 3]]);
        assert_eq!(last_two(rule, 4), last_two(rule, 8));
    }
}

#[test]
fn the_last_stage_has_the_output_stride_for_any_size() {
    let device = Device::flex();
    let trunk = TrunkConfig { stem: 2, planes: [2; 4], ..TrunkConfig::resnet18() };
    for output_stride in [4, 8, 16, 32] {
        for rule in RULES {
            let sampling = Sampling { output_stride, rule };
            let trunk = trunk.init(1, sampling, &device);
            for size in [[33, 17], [48, 40], [1, 7]] {
                let x = Tensor::ones([1, 1, 1, size[0], size[1]], &device);
                let [.., last] = trunk.forward(x);
                let [y, x] = sampling.last_size(size);
                assert_eq!(last.dims(), [1, 2, 1, y, x], "{sampling:?} {size:?}");
            }
        }
    }
}

#[test]
fn parameter_counts_are_the_references() {
    let device = Device::flex();
    let cases = [
        (TrunkConfig::resnet18(), 11_689_512),
        (TrunkConfig::resnet34(), 21_797_672),
        (TrunkConfig::resnet50(), 25_557_032),
        (TrunkConfig::resnet101(), 44_549_160),
        (TrunkConfig::resnext101_32x8d(), 88_791_336),
    ];
    for (trunk, count) in cases {
        let network = ResNet::new(&trunk, 3, Sampling::PLAIN, 1000, &device);
        assert_eq!(count_parameters(&network), count, "{trunk:?}");
    }
    let trunk =
        |config: TrunkConfig, channels| count_parameters(&config.init(channels, Sampling::PLAIN, &device));
    assert_eq!(trunk(TrunkConfig::resnet101(), 3), 42_500_160);
    assert_eq!(trunk(TrunkConfig::resnext101_32x8d(), 1), 86_736_064);
}

#[test]
fn groups_see_only_their_own_channels() {
    let device = Device::flex();
    let config = TrunkConfig { groups: 4, base_width: 16, planes: [4, 8, 16, 32], ..TrunkConfig::resnet50() };
    let trunk = config.init(1, Sampling::PLAIN, &device);
    assert_eq!(trunk.layer2[0].conv2.weight.dims(), [8, 2, 1, 3, 3]);
}

#[test]
fn a_trunk_that_cannot_be_made_is_refused_by_field() {
    let trunk = TrunkConfig { planes: [64, 0, 256, 512], ..TrunkConfig::resnet50() };
    assert!(trunk.validate().unwrap_err().contains("trunk.planes is 0"));
    let trunk = TrunkConfig { base_width: 1, planes: [32; 4], ..TrunkConfig::resnet50() };
    assert!(trunk.validate().unwrap_err().contains("width of the 3×3 convolutions is 0"));
    let trunk = TrunkConfig { groups: 32, ..TrunkConfig::resnet18() };
    assert!(trunk.validate().unwrap_err().contains("trunk.groups must be 1"));
    let sampling = Sampling { output_stride: 12, rule: DilationRule::Danet };
    assert!(sampling.validate().unwrap_err().contains("output_stride is 12"));
}
