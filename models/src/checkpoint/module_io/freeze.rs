//! Which parameters of a module get gradients.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;

use super::{FieldPath, KeyRules, is_running_statistic};

/// The module with gradients for those learned parameters alone whose names `trains` accepts.
pub fn training_only<M: Module + KeyRules>(module: M, trains: impl Fn(&str) -> bool) -> M {
    // The mapper consumes the module, so its naming rules are asked of a clone (parameters are shared).
    let rules = module.clone();
    module.map(&mut Choice { rules: &rules, trains, path: FieldPath::default() })
}

struct Choice<'a, R, F> {
    rules: &'a R,
    trains: F,
    path: FieldPath,
}

impl<R: KeyRules, F: Fn(&str) -> bool> ModuleMapper for Choice<'_, R, F> {
    fn enter_module(&mut self, name: &str, owner: &str) {
        self.path.enter(name, owner);
    }

    fn exit_module(&mut self, _name: &str, owner: &str) {
        self.path.exit(owner);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.path();
        let trains = !is_running_statistic(&path) && (self.trains)(&self.rules.reference_key(&path));
        let (id, tensor, mapper) = param.consume();
        // A tensor that was computed cannot change its mind; one that is a leaf again can.
        Param::from_mapped_value(id, tensor.detach().set_require_grad(trains), mapper)
    }
}
