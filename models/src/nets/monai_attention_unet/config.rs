//! The configuration, with MONAI's names.

use serde::{Deserialize, Serialize};

use crate::nets::{MAX_CHANNELS, check_range};

/// One number for all axes or one for each, in the order of the axes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Extent {
    /// The same along all axes.
    All(usize),
    /// `[y, x]` or `[z, y, x]`.
    PerAxis(Vec<usize>),
}

impl Extent {
    /// Along `[z, y, x]`; 1 along z for planar images.
    pub(super) fn axes(&self, spatial_dims: usize) -> [usize; 3] {
        let first = 3 - spatial_dims;
        [0, 1, 2].map(|axis| match self {
            _ if axis < first => 1,
            Self::All(extent) => *extent,
            Self::PerAxis(extents) => extents[axis - first],
        })
    }

    /// The same with the axes in the opposite order.
    fn reversed(mut self) -> Self {
        if let Self::PerAxis(extents) = &mut self {
            extents.reverse();
        }
        self
    }

    fn check(&self, field: &str, spatial_dims: usize, max: usize) -> Result<(), String> {
        match self {
            Self::PerAxis(extents) if extents.len() != spatial_dims => {
                let found = extents.len();
                Err(format!(
                    "{field} has {found} numbers; it must have one, or {spatial_dims} (spatial_dims)"
                ))
            }
            Self::PerAxis(extents) => extents.iter().try_for_each(|&extent| check_range(field, extent, max)),
            Self::All(extent) => check_range(field, *extent, max),
        }
    }
}

/// Configuration of [`super::MonaiAttentionUnet`], with MONAI's names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonaiAttentionUnetConfig {
    /// 2 for planar images, 3 for volumes.
    pub spatial_dims: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the logits.
    pub out_channels: usize,
    /// Channels per level, finest first; at least two levels.
    pub channels: Vec<usize>,
    /// Stride from each level to the next; entries beyond the levels are not used, as in MONAI.
    pub strides: Vec<Extent>,
    /// Kernel of the encoder's convolutions, odd.
    pub kernel_size: Extent,
    /// Kernel of the decoder's transposed convolutions, odd.
    pub up_kernel_size: Extent,
    /// Probability of a value to be dropped while training.
    pub dropout: f64,
}

impl Default for MonaiAttentionUnetConfig {
    fn default() -> Self {
        Self {
            spatial_dims: 3,
            in_channels: 1,
            out_channels: 2,
            channels: vec![16, 32, 64, 128, 256],
            strides: vec![Extent::All(2); 4],
            kernel_size: Extent::All(3),
            up_kernel_size: Extent::All(3),
            dropout: 0.0,
        }
    }
}

impl MonaiAttentionUnetConfig {
    /// From level `level` to the next, along `[z, y, x]`.
    pub(super) fn stride(&self, level: usize) -> [usize; 3] {
        self.strides[level].axes(self.spatial_dims)
    }

    fn check_kernel(&self, field: &str, kernel: &Extent) -> Result<(), String> {
        kernel.check(field, self.spatial_dims, 15)?;
        let even = kernel.axes(self.spatial_dims).into_iter().find(|size| size % 2 == 0);
        even.map_or(Ok(()), |size| Err(format!("{field} is {size}; it must be odd")))
    }

    /// Says which field is out of range.
    pub(super) fn check(&self) -> Result<(), String> {
        if !(2..=3).contains(&self.spatial_dims) {
            return Err(format!("spatial_dims is {}; it must be 2 or 3", self.spatial_dims));
        }
        check_range("in_channels", self.in_channels, 64)?;
        check_range("out_channels", self.out_channels, 1024)?;
        let levels = self.channels.len();
        if !(2..=9).contains(&levels) {
            return Err(format!("channels has {levels} levels; it must have 2 to 9"));
        }
        self.channels.iter().try_for_each(|&channels| check_range("channels", channels, MAX_CHANNELS))?;
        if self.channels[..levels - 1].contains(&1) {
            return Err(
                "channels has 1 at a gated level; a gate halves the channels, so use 2 or more".into()
            );
        }
        if self.strides.len() + 1 < levels {
            return Err(format!("strides has {} entries for {levels} levels", self.strides.len()));
        }
        self.strides.iter().try_for_each(|stride| stride.check("strides", self.spatial_dims, 8))?;
        self.check_kernel("kernel_size", &self.kernel_size)?;
        self.check_kernel("up_kernel_size", &self.up_kernel_size)?;
        if (0.0..1.0).contains(&self.dropout) {
            Ok(())
        } else {
            Err(format!("dropout is {}; it must be 0 or more and below 1", self.dropout))
        }
    }

    /// The same for arrays whose axes are in the opposite order.
    pub(super) fn reversed(self) -> Self {
        Self {
            strides: self.strides.into_iter().map(Extent::reversed).collect(),
            kernel_size: self.kernel_size.reversed(),
            up_kernel_size: self.up_kernel_size.reversed(),
            ..self
        }
    }
}
