//! What both forms of 3D-ESPNet share: the treatment of the input's size, the encoder and the classifier.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::super::blocks::ConvSpec;
use super::super::check_channels;
use super::super::pool3d::adaptive_avg_pool3d;
use super::super::resize3d::{ResizeMode, resize3d};
use super::super::trace::Trace;
use super::layers::{AspBlock, Bare, Cbr, Esp, Psp};

/// Scales of the pyramid behind the decoder.
const PYRAMID: [f64; 4] = [0.2, 0.4, 0.6, 0.8];

/// Smallest axis after preparation: the coarsest scale of the pyramid must keep a voxel.
const SMALLEST: usize = 16;

/// What the network does with the size of its input.
#[derive(Debug, Clone, Copy)]
pub(super) struct InputSize {
    pub(super) channels: usize,
    pub(super) resolution: Option<[usize; 3]>,
}

impl InputSize {
    fn target(&self, size: [usize; 3]) -> [usize; 3] {
        self.resolution.unwrap_or(size.map(|n| n.next_multiple_of(8)))
    }

    pub(super) fn check(&self, shape: [usize; 5]) -> Result<(), String> {
        check_channels(shape, self.channels)?;
        let size = [shape[2], shape[3], shape[4]];
        if self.target(size).iter().any(|&n| n < SMALLEST) {
            return Err("each of z, y, x must be at least 9; resample or pad the volume".to_owned());
        }
        Ok(())
    }

    /// The input at the size the encoder can halve three times.
    pub(super) fn prepare(&self, x: Tensor<5>) -> Tensor<5> {
        let [_, _, z, y, w] = x.dims();
        adaptive_avg_pool3d(x, self.target([z, y, w]))
    }
}

/// The encoder: levels 0 and 1 at half, level 2 at a quarter, level 3 at an eighth of the size.
#[derive(Module, Debug)]
pub(super) struct Trunk {
    level0: Cbr,
    level1: Vec<Esp>,
    level2: Esp,
    level_2: Vec<Esp>,
    level3_0: Esp,
    level_3: Vec<Esp>,
}

impl Trunk {
    pub(super) fn new(channels: usize, widths: [usize; 4], device: &Device) -> Self {
        let [w0, w1, w2, w3] = widths;
        let esp = |from, to, stride| Esp::new(from, to, stride, device);
        Self {
            level0: Cbr::new(channels, w0, 7, 2, device),
            level1: vec![esp(w0, w1, 1), esp(w1, w1, 1)],
            level2: esp(w1, w2, 2),
            level_2: (0..2).map(|_| esp(w2, w2, 1)).collect(),
            level3_0: esp(w2, w3, 2),
            level_3: (0..3).map(|_| esp(w3, w3, 1)).collect(),
        }
    }

    /// The outputs of levels 1, 2 and 3.
    pub(super) fn forward(&self, x: Tensor<5>, trace: &mut Trace) -> [Tensor<5>; 3] {
        let x = self.level0.forward(x);
        trace.tensor("level0", &x);
        let level1 = run("level1", &self.level1, x, trace);
        let x = self.level2.forward(level1.clone());
        trace.tensor("level2", &x);
        let level2 = run("level_2", &self.level_2, x, trace);
        let x = self.level3_0.forward(level2.clone());
        trace.tensor("level3_0", &x);
        [level1, level2, run("level_3", &self.level_3, x, trace)]
    }
}

fn run(name: &str, blocks: &[Esp], mut x: Tensor<5>, trace: &mut Trace) -> Tensor<5> {
    for (i, block) in blocks.iter().enumerate() {
        x = block.forward(x);
        trace.tensor(&format!("{name}.{i}"), &x);
    }
    x
}

/// Pyramid and classifier.
#[derive(Module, Debug)]
pub(super) struct Tail {
    psp_modules: Vec<Psp>,
    classifier: (Cbr, AspBlock, Cbr, Bare),
}

impl Tail {
    pub(super) fn new(classes: usize, device: &Device) -> Self {
        let c = classes;
        Self {
            psp_modules: PYRAMID.iter().map(|&scale| Psp::new(c, scale, device)).collect(),
            classifier: (
                Cbr::new((PYRAMID.len() + 1) * c, c, 3, 1, device),
                AspBlock::new(c, device),
                Cbr::new(c, c, 7, 1, device),
                Bare::new(ConvSpec::head(c, c), device),
            ),
        }
    }

    /// Logits of the size `size` from the decoder's output at half the prepared size.
    pub(super) fn forward(&self, x: Tensor<5>, size: [usize; 3], trace: &mut Trace) -> Tensor<5> {
        let mut scales = vec![x.clone()];
        for (i, psp) in self.psp_modules.iter().enumerate() {
            let scale = psp.forward(x.clone());
            trace.tensor(&format!("pspModules.{i}"), &scale);
            scales.push(scale);
        }
        let (merge, asp, smooth, logits) = &self.classifier;
        let x = asp.forward(merge.forward(Tensor::cat(scales, 1)));
        let [_, _, z, y, w] = x.dims();
        let x = resize3d(x, [2 * z, 2 * y, 2 * w], ResizeMode::Nearest);
        let x = logits.forward(smooth.forward(x));
        trace.tensor("classifier", &x);
        resize3d(x, size, ResizeMode::Trilinear)
    }
}

/// The reference's key of a field path.
pub(super) fn reference_key(path: &str) -> String {
    let path = path.strip_prefix("trunk.").or_else(|| path.strip_prefix("tail.")).unwrap_or(path);
    // In the reference's sequence, the enlargement takes place 2.
    for (ours, theirs) in [
        ("psp_modules.", "pspModules."),
        ("classifier.2.", "classifier.3."),
        ("classifier.3.", "classifier.4."),
    ] {
        if let Some(rest) = path.strip_prefix(ours) {
            return format!("{theirs}{rest}");
        }
    }
    path.to_owned()
}
