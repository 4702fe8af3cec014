//! PyTorch checkpoints (`.pth`, `.pt`): read without running any of the code that a pickle may hold.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use pytorch_reader::{DType, PickleValue, PytorchReader};
use safetensors::Dtype;

use super::{CheckpointError, StateDict, StoredTensor};

/// Where training programs keep the weights within a checkpoint.
const WEIGHT_KEYS: [&str; 7] =
    ["state_dict", "model_state_dict", "network_weights", "model", "net", "ema", "params"];

/// Beginnings of the names of Python types that may stand beside the weights: they are read as data, or left out.
const HARMLESS: [&str; 4] = ["torch.", "numpy.", "collections.", "_codecs.encode"];

impl StateDict {
    /// Reads weights of any kind: safetensors, or a PyTorch checkpoint in any of its containers.
    ///
    /// # Errors
    /// [`CheckpointError`] for a file that cannot be read, is damaged, or wants to run code.
    pub fn read_any(path: &Path) -> Result<Self, CheckpointError> {
        let io = |source| CheckpointError::Io { action: "read", source, path: path.to_owned() };
        let mut start = Vec::new();
        std::fs::File::open(path).map_err(io)?.take(9).read_to_end(&mut start).map_err(io)?;
        // A safetensors file begins with the length of its JSON header.
        if start.get(8) == Some(&b'{') { Self::read(path) } else { Self::read_pytorch(path) }
    }

    /// Reads a PyTorch checkpoint: a state dict, or one under the key of a known training program, or the parameters
    /// of a whole module.
    ///
    /// # Errors
    /// [`CheckpointError::Format`] for a file that is damaged, no checkpoint, or names Python code that is not about
    /// tensors.
    pub fn read_pytorch(path: &Path) -> Result<Self, CheckpointError> {
        let root = PytorchReader::read_pickle_data(path, None).map_err(not_understood)?;
        refuse_code(&root)?;
        let reader = match nested_under(&root) {
            Some(key) => PytorchReader::with_top_level_key(path, key),
            None => PytorchReader::new(path),
        }
        .map_err(not_understood)?;
        let mut dict = Self::default();
        let tensors: BTreeMap<String, pytorch_reader::Tensor> = reader.into_tensors().into_iter().collect();
        for (name, tensor) in tensors {
            let bytes = tensor.read().map_err(|e| CheckpointError::Format {
                message: format!("its tensor '{name}' cannot be read ({e})"),
            })?;
            let stored = StoredTensor::from_bytes(dtype(tensor.dtype()), tensor.shape().to_vec(), bytes);
            dict.insert(name, stored);
        }
        if dict.iter().next().is_none() {
            return Err(CheckpointError::Format { message: "the checkpoint holds no tensors".into() });
        }
        Ok(dict)
    }
}

fn not_understood(error: pytorch_reader::PytorchError) -> CheckpointError {
    CheckpointError::Format { message: format!("it cannot be read as a PyTorch checkpoint ({error})") }
}

/// The key under which the weights are, if they are not at the top.
fn nested_under(root: &PickleValue) -> Option<&'static str> {
    let PickleValue::Dict(entries) = root else { return None };
    WEIGHT_KEYS.into_iter().find(|key| matches!(entries.get(*key), Some(PickleValue::Dict(_))))
}

/// An error for anything that is neither data nor about tensors: such a file was not made to be read as weights.
fn refuse_code(value: &PickleValue) -> Result<(), CheckpointError> {
    match value {
        // A whole number of more than 64 bits is called by its type.
        PickleValue::Unsupported(name)
            if name != "int" && !HARMLESS.iter().any(|start| name.starts_with(start)) =>
        {
            Err(CheckpointError::Format {
                message: format!(
                    "the checkpoint asks for the Python object '{name}', which is not about tensors; \
                     it is refused. Save the state dict alone: torch.save(net.state_dict(), …)"
                ),
            })
        }
        PickleValue::List(items) => items.iter().try_for_each(refuse_code),
        PickleValue::Dict(entries) => {
            let mut names: Vec<&String> = entries.keys().collect();
            names.sort();
            names.into_iter().try_for_each(|name| refuse_code(&entries[name]))
        }
        _ => Ok(()),
    }
}

fn dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::testing::shared_data;

    fn variant(name: &str) -> Option<Result<StateDict, CheckpointError>> {
        Some(StateDict::read_any(&shared_data(&format!("golden/pth_variants/{name}"))?))
    }

    fn expected(name: &str) -> StateDict {
        StateDict::read(&shared_data(&format!("golden/pth_variants/{name}")).unwrap()).unwrap()
    }

    /// Names, types, shapes and bytes, after taking off a prefix that all names share.
    fn content(dict: &StateDict, prefix: &str) -> Vec<(String, Dtype, Vec<usize>, Vec<u8>)> {
        let entry = |(name, tensor): (&str, &StoredTensor)| {
            let name = name.strip_prefix(prefix).unwrap_or(name).to_owned();
            (name, tensor.dtype(), tensor.shape().to_vec(), tensor.bytes().to_vec())
        };
        dict.iter().map(entry).collect()
    }

    #[test]
    fn every_layout_holds_the_same_tensors() {
        for (name, truth, prefix) in [
            ("zip_plain.pth", "expected.safetensors", ""),
            ("legacy_plain.pth", "expected.safetensors", ""),
            ("zip_aliased_views.pth", "expected_aliased.safetensors", ""),
            ("legacy_aliased_views.pth", "expected_aliased.safetensors", ""),
            ("zip_wrapped_state_dict.pth.tar", "expected.safetensors", "module."),
            ("zip_nnunet_like.pth", "expected.safetensors", ""),
            ("zip_monai_like.pt", "expected.safetensors", ""),
            ("zip_numpy_scalars.pth", "expected.safetensors", ""),
        ] {
            let Some(read) = variant(name) else { return };
            let read = read.unwrap_or_else(|e| panic!("{name}: {e}"));
            let (found, wanted) = (content(&read, prefix), content(&expected(truth), ""));
            let names = |c: &[(String, Dtype, Vec<usize>, Vec<u8>)]| {
                c.iter().map(|(n, d, s, _)| format!("{n} {d:?} {s:?}")).collect::<Vec<_>>()
            };
            assert_eq!(names(&found), names(&wanted), "{name}");
            assert!(found == wanted, "{name}: values differ");
        }
    }

    #[test]
    fn hostile_and_broken_files_are_refused_with_a_reason() {
        for (name, why) in
            [("malicious_reduce.pth", "print"), ("truncated.pth", "cannot be read"), ("README.json", "")]
        {
            let Some(read) = variant(name) else { return };
            let text = read.expect_err(name).to_string();
            assert!(text.contains(why), "{name}: {text}");
        }
        for name in ["whole_module.pth", "torchscript.pt"] {
            // Either refused, or read as what its state dict holds: never run.
            match variant(name).unwrap() {
                Ok(dict) => assert!(dict.iter().next().is_some(), "{name}"),
                Err(error) => println!("{name}: {error}"),
            }
        }
    }
}
