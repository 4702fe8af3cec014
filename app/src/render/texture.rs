//! Volumes, label maps and proposals as 3-D textures.

use std::task::{Context, Poll, Waker};

use hilum_core::geometry::VoxelBox;
use hilum_core::volume::{Volume, Voxels};
use wgpu::{Extent3d, TextureFormat, TextureSampleType};

/// Bytes handed to the driver at once, so that its staging memory stays small.
const SLAB_BYTES: usize = 32 << 20;

/// Why an image cannot be shown by the graphics device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextureError {
    /// An axis is longer than a 3-D texture may be.
    #[error(
        "the image has {dims:?} voxels, the graphics device takes at most {limit} along an axis; slices are drawn by the CPU"
    )]
    TooLarge {
        /// Voxels along x, y, z.
        dims: [usize; 3],
        /// Longest axis the device takes.
        limit: u32,
    },
    /// The device has no memory left for it.
    #[error("the graphics device has no room for {mebibytes} MiB ({cause}); slices are drawn by the CPU")]
    OutOfMemory {
        /// Size of the texture.
        mebibytes: usize,
        /// What the driver said.
        cause: String,
    },
}

/// A device and its queue.
#[derive(Clone, Debug)]
pub struct Gpu {
    /// Creates textures.
    pub device: wgpu::Device,
    /// Fills them.
    pub queue: wgpu::Queue,
}

/// The format that holds voxels exactly, and how a shader reads it.
pub fn format_of(voxels: &Voxels) -> (TextureFormat, TextureSampleType) {
    match voxels {
        Voxels::U8(_) => (TextureFormat::R8Uint, TextureSampleType::Uint),
        Voxels::I16(_) => (TextureFormat::R16Sint, TextureSampleType::Sint),
        Voxels::U16(_) => (TextureFormat::R16Uint, TextureSampleType::Uint),
        Voxels::I32(_) => (TextureFormat::R32Sint, TextureSampleType::Sint),
        Voxels::F32(_) => (TextureFormat::R32Float, TextureSampleType::Float { filterable: false }),
        Voxels::Rgb8(_) => (TextureFormat::Rgba8Uint, TextureSampleType::Uint),
    }
}

impl Gpu {
    /// An empty 3-D texture of `dims` voxels.
    ///
    /// # Errors
    /// [`TextureError`] if an axis is too long or memory runs out.
    pub fn texture_3d(
        &self,
        label: &str,
        dims: [usize; 3],
        format: TextureFormat,
    ) -> Result<wgpu::Texture, TextureError> {
        let limit = self.device.limits().max_texture_dimension_3d;
        if dims.iter().any(|n| *n > limit as usize) {
            return Err(TextureError::TooLarge { dims, limit });
        }
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let texture = self.device.create_texture(&wgpu::TextureDescriptor {
            label: Some(label),
            size: extent(dims),
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D3,
            format,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let error = now(validation.pop()).or_else(|| now(memory.pop()));
        match error {
            None => Ok(texture),
            Some(cause) => {
                let bytes = dims.iter().product::<usize>() * texel_bytes(format);
                Err(TextureError::OutOfMemory { mebibytes: bytes >> 20, cause: cause.to_string() })
            }
        }
    }

    /// The whole volume as a texture.
    ///
    /// # Errors
    /// As [`Gpu::texture_3d`].
    pub fn volume_texture(&self, volume: &Volume) -> Result<wgpu::Texture, TextureError> {
        let dims = volume.grid().dims();
        let texture = self.texture_3d("volume", dims, format_of(volume.voxels()).0)?;
        match volume.voxels() {
            Voxels::U8(data) => self.fill(&texture, dims, data, bytemuck::cast_slice),
            Voxels::I16(data) => self.fill(&texture, dims, data, bytemuck::cast_slice),
            Voxels::U16(data) => self.fill(&texture, dims, data, bytemuck::cast_slice),
            Voxels::I32(data) => self.fill(&texture, dims, data, bytemuck::cast_slice),
            Voxels::F32(data) if volume.voxels().non_finite_count() == 0 => {
                self.fill(&texture, dims, data, bytemuck::cast_slice);
            }
            Voxels::F32(data) => {
                let least = volume.range().min;
                self.fill_converted(&texture, dims, data, |v| if v.is_finite() { *v } else { least });
            }
            Voxels::Rgb8(data) => self.fill_converted(&texture, dims, data, |[r, g, b]| [*r, *g, *b, 255]),
        }
        Ok(texture)
    }

    fn fill<T>(&self, texture: &wgpu::Texture, dims: [usize; 3], data: &[T], bytes: impl Fn(&[T]) -> &[u8]) {
        for (slab, part) in slabs(dims, size_of::<T>()) {
            self.write_box(texture, slab, bytes(&data[part]));
        }
    }

    fn fill_converted<T, U: bytemuck::Pod>(
        &self,
        texture: &wgpu::Texture,
        dims: [usize; 3],
        data: &[T],
        convert: impl Fn(&T) -> U,
    ) {
        for (slab, part) in slabs(dims, size_of::<U>()) {
            let values: Vec<U> = data[part].iter().map(&convert).collect();
            self.write_box(texture, slab, bytemuck::cast_slice(&values));
        }
    }

    /// Replaces a box of voxels; `bytes` holds them `[z, y, x]` without gaps.
    pub fn write_box(&self, texture: &wgpu::Texture, region: VoxelBox, bytes: &[u8]) {
        if region.is_empty() {
            return;
        }
        let ([x, y, z], [width, height, _]) = (region.start(), region.size());
        self.queue.write_texture(
            wgpu::TexelCopyTextureInfo {
                texture,
                mip_level: 0,
                origin: wgpu::Origin3d { x: x as u32, y: y as u32, z: z as u32 },
                aspect: wgpu::TextureAspect::All,
            },
            bytes,
            wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some((width * texel_bytes(texture.format())) as u32),
                rows_per_image: Some(height as u32),
            },
            extent(region.size()),
        );
        if bytes.len() >= SLAB_BYTES / 2 {
            // Hands the staging memory of large writes back before the next one.
            self.queue.submit([]);
        }
    }
}

/// Boxes of whole slices that fit [`SLAB_BYTES`], with the range of the array they cover.
fn slabs(dims: [usize; 3], bytes: usize) -> impl Iterator<Item = (VoxelBox, std::ops::Range<usize>)> {
    let area = dims[0] * dims[1];
    let step = (SLAB_BYTES / (area * bytes).max(1)).max(1);
    (0..dims[2]).step_by(step).map(move |z| {
        let end = (z + step).min(dims[2]);
        (VoxelBox::new([0, 0, z], [dims[0], dims[1], end]), z * area..end * area)
    })
}

fn extent(dims: [usize; 3]) -> Extent3d {
    Extent3d { width: dims[0] as u32, height: dims[1] as u32, depth_or_array_layers: dims[2] as u32 }
}

fn texel_bytes(format: TextureFormat) -> usize {
    format.block_copy_size(None).unwrap_or(4) as usize
}

/// The outcome of an error scope, which native drivers know at once.
fn now(outcome: impl Future<Output = Option<wgpu::Error>>) -> Option<wgpu::Error> {
    match std::pin::pin!(outcome).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(error) => error,
        Poll::Pending => None,
    }
}
