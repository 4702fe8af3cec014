//! Named tensors in memory, read from and written to safetensors.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use super::CheckpointError;

/// Largest file of weights that is read into memory.
const MAX_FILE_BYTES: u64 = 8 << 30;

/// The element type that weights are saved in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatFormat {
    /// 32 bits, exact.
    F32,
    /// 16 bits: half the size, about three digits.
    F16,
}

/// One tensor of a checkpoint: a range of a shared buffer, little-endian, row-major.
#[derive(Debug, Clone)]
pub struct StoredTensor {
    dtype: Dtype,
    shape: Vec<usize>,
    buffer: Arc<Cow<'static, [u8]>>,
    range: Range<usize>,
}

impl StoredTensor {
    /// A tensor of these values.
    pub fn from_f32(values: &[f32], shape: Vec<usize>, format: FloatFormat) -> Self {
        let (dtype, bytes) = match format {
            FloatFormat::F32 => (Dtype::F32, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            FloatFormat::F16 => {
                (Dtype::F16, values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect())
            }
        };
        let bytes: Vec<u8> = bytes;
        Self { dtype, shape, range: 0..bytes.len(), buffer: Arc::new(Cow::Owned(bytes)) }
    }

    /// A single whole number.
    pub fn from_i64(value: i64) -> Self {
        Self::from_bytes(Dtype::I64, Vec::new(), value.to_le_bytes().to_vec())
    }

    /// A tensor of little-endian bytes, row-major.
    pub(super) fn from_bytes(dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) -> Self {
        Self { dtype, shape, range: 0..bytes.len(), buffer: Arc::new(Cow::Owned(bytes)) }
    }

    /// Its shape, slowest axis first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its element type.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Its raw little-endian bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.range.clone()]
    }

    /// Its values as f32; `None` where it does not hold floating-point numbers.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        let bytes = self.bytes();
        let halves = || bytes.as_chunks::<2>().0.iter();
        match self.dtype {
            Dtype::F32 => Some(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
            Dtype::F64 => {
                Some(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect())
            }
            Dtype::F16 => Some(halves().map(|b| f16::from_le_bytes(*b).to_f32()).collect()),
            Dtype::BF16 => Some(halves().map(|b| bf16::from_le_bytes(*b).to_f32()).collect()),
            _ => None,
        }
    }

    /// Its values as i64; `None` where it does not hold integers of 32 or 64 bits.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        let bytes = self.bytes();
        match self.dtype {
            Dtype::I64 => Some(bytes.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect()),
            Dtype::I32 => {
                Some(bytes.as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect())
            }
            _ => None,
        }
    }
}

impl safetensors::View for &StoredTensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.bytes())
    }

    fn data_len(&self) -> usize {
        self.range.len()
    }
}

/// The bytes of a file of weights of at most 8 GiB.
///
/// # Errors
/// A file that cannot be read or is larger.
pub fn read_weights(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(path)?;
    let size = file.metadata()?.len();
    let mut bytes = Vec::new();
    if size <= MAX_FILE_BYTES {
        bytes.try_reserve_exact(usize::try_from(size).unwrap_or(usize::MAX))?;
        file.by_ref().take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    }
    let size = size.max(bytes.len() as u64);
    if size > MAX_FILE_BYTES {
        let told = format!("it has {size} bytes; weights of more than {MAX_FILE_BYTES} are not supported");
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, told));
    }
    Ok(bytes)
}

/// The values of a tensor, row-major, and its shape, slowest axis first.
pub type FloatValues = (Vec<f32>, Vec<usize>);

/// Named tensors in the order of their names.
#[derive(Debug, Clone, Default)]
pub struct StateDict {
    tensors: BTreeMap<String, StoredTensor>,
    metadata: BTreeMap<String, String>,
}

impl StateDict {
    /// Reads a safetensors file of at most 8 GiB.
    ///
    /// # Errors
    /// A file that cannot be read, is larger or is not well formed.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let io = |source| CheckpointError::Io { action: "read", source, path: path.to_owned() };
        Self::from_bytes(read_weights(path).map_err(io)?)
    }

    /// Reads safetensors from memory, e.g. from `include_bytes!`; the bytes are kept, not copied.
    ///
    /// # Errors
    /// Bytes that are not well formed: header and sizes are checked before any is used.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, CheckpointError> {
        let buffer: Arc<Cow<'static, [u8]>> = Arc::new(bytes.into());
        let format = |e: safetensors::SafeTensorError| CheckpointError::Format { message: e.to_string() };
        let (_, header) = SafeTensors::read_metadata(&buffer).map_err(format)?;
        let file = SafeTensors::deserialize(&buffer).map_err(format)?;
        let start = buffer.as_ptr() as usize;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            let offset = view.data().as_ptr() as usize - start;
            let tensor = StoredTensor {
                dtype: view.dtype(),
                shape: view.shape().to_vec(),
                buffer: buffer.clone(),
                range: offset..offset + view.data().len(),
            };
            tensors.insert(name.to_owned(), tensor);
        }
        let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        Ok(Self { tensors, metadata })
    }

    /// Writes a safetensors file: first beside it, then renamed, so that a crash leaves no half file.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: &Path, metadata: &[(String, String)]) -> Result<(), CheckpointError> {
        let io = |source| CheckpointError::Io { action: "write", source, path: path.to_owned() };
        let bytes = self.to_bytes(metadata)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
        std::io::Write::write_all(&mut file, &bytes).map_err(io)?;
        file.persist(path).map_err(|e| io(e.error))?;
        Ok(())
    }

    /// The bytes of a safetensors file.
    ///
    /// # Errors
    /// Tensors whose sizes do not agree with their shapes.
    pub fn to_bytes(&self, metadata: &[(String, String)]) -> Result<Vec<u8>, CheckpointError> {
        let mut all: HashMap<String, String> = self.metadata.clone().into_iter().collect();
        all.extend(metadata.iter().cloned());
        let metadata = (!all.is_empty()).then_some(all);
        let format = |e: safetensors::SafeTensorError| CheckpointError::Format { message: e.to_string() };
        safetensors::serialize(self.tensors.iter(), metadata).map_err(format)
    }

    /// Adds or replaces a tensor.
    pub fn insert(&mut self, name: impl Into<String>, tensor: StoredTensor) {
        self.tensors.insert(name.into(), tensor);
    }

    /// Takes a tensor out.
    pub fn remove(&mut self, name: &str) -> Option<StoredTensor> {
        self.tensors.remove(name)
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&StoredTensor> {
        self.tensors.get(name)
    }

    /// All tensors in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &StoredTensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The same tensors with a prefix taken off all names; `None` unless all have it.
    pub fn without_prefix(&self, prefix: &str) -> Option<Self> {
        let tensors = self
            .tensors
            .iter()
            .map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone())))
            .collect::<Option<_>>()?;
        Some(Self { tensors, metadata: self.metadata.clone() })
    }

    /// The file's text metadata, e.g. `arch` and `config` as [`super::super::nets::AnyNetwork`] writes them.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Values of the tensor `name` as f32, with its shape; `None` where it is absent.
    ///
    /// # Errors
    /// A tensor of another kind than floating point.
    pub fn floats(&self, name: &str) -> Result<Option<FloatValues>, CheckpointError> {
        let Some(tensor) = self.get(name) else { return Ok(None) };
        let values = tensor.to_f32().ok_or_else(|| CheckpointError::DataType {
            name: name.to_owned(),
            dtype: format!("{:?}", tensor.dtype),
        })?;
        Ok(Some((values, tensor.shape.clone())))
    }
}
