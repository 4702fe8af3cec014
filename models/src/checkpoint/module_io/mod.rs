//! Between a burn module and named tensors: the path of a field becomes the reference's key, and the few
//! differences of layout are undone here and nowhere else.

mod apply;
mod collect;
mod freeze;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use super::FlattenedGrid;

pub use apply::apply;
pub use collect::{collect, collect_for_reference};
pub use freeze::training_only;

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

    /// Where an axis of the weight `key` is a flattened grid of places in the volume (position embeddings).
    fn flattened_grid(&self, _key: &str) -> Option<FlattenedGrid> {
        None
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
