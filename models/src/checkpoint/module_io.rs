//! Between a burn module and named tensors: the path of a field becomes the reference's key, and the few
//! differences of layout are undone here and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData};

use super::{CheckpointError, FloatFormat, StateDict, StoredTensor};

/// How a network's fields are named in the reference's checkpoints.
pub trait KeyRules {
    /// The key of the parameter at the field path `path`.
    fn reference_key(&self, path: &str) -> String {
        path.to_owned()
    }

    /// The main name of a tensor that a checkpoint holds under several names.
    fn canonical_key(&self, key: &str) -> String {
        key.to_owned()
    }

    /// Further names under which the reference's checkpoint holds the tensor `key`.
    fn copies(&self, _key: &str) -> Vec<String> {
        Vec::new()
    }

    /// Names and shapes of parameters that the reference has but never uses.
    fn unused(&self) -> Vec<(String, Vec<usize>)> {
        Vec::new()
    }

    /// Whether the network works on planar images: its kernels have one voxel along z, which the reference's lack.
    fn is_planar(&self) -> bool {
        false
    }

    /// Whether a checkpoint may lack `key`, or hold it without need.
    fn is_optional(&self, _key: &str) -> bool {
        false
    }
}

/// The walk through a module: field names (without enum variants) and the struct that owns the current field.
#[derive(Default)]
struct FieldPath {
    names: Vec<String>,
    owners: Vec<String>,
}

impl FieldPath {
    fn enter(&mut self, name: &str, owner: &str) {
        self.owners.push(owner.to_owned());
        if !owner.starts_with("Enum:") {
            // burn's normalisations call scale and shift gamma and beta; PyTorch calls them weight and bias.
            let name = match name {
                "gamma" if owner.ends_with("Norm") => "weight",
                "beta" if owner.ends_with("Norm") => "bias",
                other => other,
            };
            self.names.push(name.to_owned());
        }
    }

    fn exit(&mut self, owner: &str) {
        self.owners.pop();
        if !owner.starts_with("Enum:") {
            self.names.pop();
        }
    }

    fn path(&self) -> String {
        self.names.join(".")
    }

    /// burn keeps a linear layer's weight as `[in, out]`, PyTorch as `[out, in]`.
    fn is_transposed(&self) -> bool {
        self.owners.last().is_some_and(|owner| owner == "Struct:Linear")
            && self.names.last().is_some_and(|name| name == "weight")
    }
}

/// Shape of a parameter in the reference's checkpoint.
fn stored_shape(shape: &[usize], is_planar: bool, is_transposed: bool) -> Vec<usize> {
    let mut shape = shape.to_vec();
    if is_transposed {
        shape.reverse();
    }
    if is_planar && shape.len() == 5 {
        shape.remove(2);
    }
    shape
}

fn transpose(values: &[f32], shape: &[usize]) -> (Vec<f32>, Vec<usize>) {
    let (rows, columns) = (shape[0], shape[1]);
    let turned = (0..rows * columns).map(|i| values[i % rows * columns + i / rows]).collect();
    (turned, vec![columns, rows])
}

/// Number of learned parameters; running statistics are not learned. Draws no weights.
pub fn count_parameters(module: &impl Module) -> usize {
    let mut shapes = Shapes::default();
    module.visit(&mut shapes);
    let learned = shapes.found.iter().filter(|(path, _)| !is_running_statistic(path));
    learned.map(|(_, shape)| shape.iter().product::<usize>()).fold(0, usize::saturating_add)
}

/// Names (the reference's) and shapes (PyTorch's) of all parameters and running statistics. Draws no weights.
pub fn weight_shapes<M: Module + KeyRules>(module: &M) -> Vec<(String, Vec<usize>)> {
    let mut shapes = Shapes { is_planar: module.is_planar(), ..Shapes::default() };
    module.visit(&mut shapes);
    shapes.found.into_iter().map(|(path, shape)| (module.reference_key(&path), shape)).collect()
}

/// Whether it follows the training without being learned: batch statistics, and the vector `u` of spectral
/// normalisation.
fn is_running_statistic(path: &str) -> bool {
    ["running_mean", "running_var", ".u"].iter().any(|end| path.ends_with(end))
}

#[derive(Default)]
struct Shapes {
    path: FieldPath,
    is_planar: bool,
    found: Vec<(String, Vec<usize>)>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, owner: &str) {
        self.path.enter(name, owner);
    }

    fn exit_module(&mut self, _name: &str, owner: &str) {
        self.path.exit(owner);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = stored_shape(&param.lazy_shape().to_vec(), self.is_planar, self.path.is_transposed());
        self.found.push((self.path.path(), shape));
    }
}

/// All parameters and running statistics under the reference's names.
///
/// # Errors
/// A device that cannot give a tensor back.
pub fn collect<M: Module + KeyRules>(module: &M, format: FloatFormat) -> Result<StateDict, CheckpointError> {
    let mut collector = Collector {
        rules: module,
        path: FieldPath::default(),
        format,
        dict: StateDict::default(),
        error: None,
    };
    module.visit(&mut collector);
    match collector.error {
        Some(error) => Err(error),
        None => Ok(collector.dict),
    }
}

struct Collector<'a, R> {
    rules: &'a R,
    path: FieldPath,
    format: FloatFormat,
    dict: StateDict,
    error: Option<CheckpointError>,
}

impl<R: KeyRules> ModuleVisitor for Collector<'_, R> {
    fn enter_module(&mut self, name: &str, owner: &str) {
        self.path.enter(name, owner);
    }

    fn exit_module(&mut self, _name: &str, owner: &str) {
        self.path.exit(owner);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let key = self.rules.reference_key(&self.path.path());
        let shape = param.dims().to_vec();
        match param.val().into_data().convert_dtype(DType::F32).try_to_vec::<f32>() {
            Ok(mut values) => {
                let is_transposed = self.path.is_transposed();
                if is_transposed {
                    (values, _) = transpose(&values, &shape);
                }
                let shape = stored_shape(&shape, self.rules.is_planar(), is_transposed);
                self.dict.insert(key, StoredTensor::from_f32(&values, shape, self.format));
            }
            Err(e) => self.error = Some(CheckpointError::Device { name: key, message: format!("{e:?}") }),
        }
    }
}

/// All weights as the reference would save them, so that it loads them strictly: with the copies under other names,
/// the parameters that it never uses (zero), and the counters of batch normalisation.
///
/// # Errors
/// A device that cannot give a tensor back.
pub fn collect_for_reference<M: Module + KeyRules>(module: &M) -> Result<StateDict, CheckpointError> {
    let mut dict = collect(module, FloatFormat::F32)?;
    let main: Vec<(String, StoredTensor)> = dict.iter().map(|(k, t)| (k.to_owned(), t.clone())).collect();
    for (key, tensor) in main {
        if let Some(layer) = key.strip_suffix("running_mean") {
            dict.insert(format!("{layer}num_batches_tracked"), StoredTensor::from_i64(0));
        }
        for copy in module.copies(&key) {
            dict.insert(copy, tensor.clone());
        }
    }
    for (key, shape) in module.unused() {
        let zeros = vec![0.0; shape.iter().product()];
        dict.insert(key, StoredTensor::from_f32(&zeros, shape, FloatFormat::F32));
    }
    Ok(dict)
}

/// The module with the weights of `dict`, whose names are the reference's.
///
/// # Errors
/// [`CheckpointError::Mismatch`] lists every missing or unused name and every other shape;
/// `num_batches_tracked` and the network's optional names are tolerated either way.
pub fn apply<M: Module + KeyRules>(module: M, dict: &StateDict) -> Result<M, CheckpointError> {
    let tensors = canonical_tensors(&module, dict)?;
    // The mapper consumes the module, so its naming rules are asked of a clone (parameters are shared).
    let rules = module.clone();
    let mut applier = Applier {
        rules: &rules,
        tensors: &tensors,
        path: FieldPath::default(),
        used: BTreeSet::new(),
        missing: Vec::new(),
        shapes: Vec::new(),
        error: None,
    };
    let module = module.map(&mut applier);
    let Applier { used, missing, shapes, error, .. } = applier;
    if let Some(error) = error {
        return Err(error);
    }
    let needless = |key: &&String| !used.contains(key.as_str()) && !is_tolerated(&rules, key);
    let unused: Vec<String> = tensors.keys().filter(needless).cloned().collect();
    if missing.is_empty() && unused.is_empty() && shapes.is_empty() {
        Ok(module)
    } else {
        Err(CheckpointError::Mismatch { missing, unused, shapes })
    }
}

fn is_tolerated(rules: &impl KeyRules, key: &str) -> bool {
    key.ends_with("num_batches_tracked") || rules.is_optional(key)
}

/// Tensors by main name; copies under other names must be equal.
fn canonical_tensors<'a>(
    rules: &impl KeyRules,
    dict: &'a StateDict,
) -> Result<BTreeMap<String, &'a StoredTensor>, CheckpointError> {
    let mut tensors: BTreeMap<String, (&str, &StoredTensor)> = BTreeMap::new();
    for (name, tensor) in dict.iter() {
        let (first_name, first) = *tensors.entry(rules.canonical_key(name)).or_insert((name, tensor));
        if name != first_name && (first.bytes() != tensor.bytes() || first.shape() != tensor.shape()) {
            return Err(CheckpointError::Alias { first: first_name.to_owned(), second: name.to_owned() });
        }
    }
    Ok(tensors.into_iter().map(|(key, (_, tensor))| (key, tensor)).collect())
}

struct Applier<'a, R> {
    rules: &'a R,
    tensors: &'a BTreeMap<String, &'a StoredTensor>,
    path: FieldPath,
    used: BTreeSet<String>,
    missing: Vec<String>,
    shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
    error: Option<CheckpointError>,
}

impl<R: KeyRules> Applier<'_, R> {
    /// Values and shape in burn's layout, or `None` after noting what is wrong.
    fn find(&mut self, needed: &[usize]) -> Option<TensorData> {
        let key = self.rules.reference_key(&self.path.path());
        let Some(stored) = self.tensors.get(&key) else {
            if !self.rules.is_optional(&key) {
                self.missing.push(key);
            }
            return None;
        };
        self.used.insert(key.clone());
        let Some(mut values) = stored.to_f32() else {
            let dtype = format!("{:?}", stored.dtype());
            self.error = Some(CheckpointError::DataType { name: key, dtype });
            return None;
        };
        let transposed = self.path.is_transposed();
        let expected = stored_shape(needed, self.rules.is_planar(), transposed);
        if stored.shape() != expected {
            self.shapes.push((key, expected, stored.shape().to_vec()));
            return None;
        }
        if transposed {
            (values, _) = transpose(&values, &expected);
        }
        Some(TensorData::new(values, needed.to_vec()))
    }
}

impl<R: KeyRules> ModuleMapper for Applier<'_, R> {
    fn enter_module(&mut self, name: &str, owner: &str) {
        self.path.enter(name, owner);
    }

    fn exit_module(&mut self, _name: &str, owner: &str) {
        self.path.exit(owner);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let needed: Vec<usize> = param.lazy_shape().to_vec();
        match self.find(&needed) {
            Some(data) => {
                let tensor = Tensor::from_data(data, &param.lazy_device());
                let id = param.id;
                param.transform_for_load(tensor, id)
            }
            None => param,
        }
    }
}
