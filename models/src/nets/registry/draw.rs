//! Drawing of new weights.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

/// Held while weights are drawn, so that a seed decides them whatever other threads do.
static DRAWING: Mutex<()> = Mutex::new(());

/// `module` on `device` with all its weights drawn reproducibly from `seed`.
pub(crate) fn drawn<M: Module>(module: M, seed: u64, device: &Device) -> M {
    let _alone = alone();
    device.seed(seed);
    module.visit(&mut Draw);
    module
}

/// Sets the device's generator, but not while another thread draws weights from it.
pub(crate) fn reseed(device: &Device, seed: u64) {
    let _alone = alone();
    device.seed(seed);
}

/// Draws what is still undrawn of a module: drawn when first used, it would disturb the generator of others.
pub(super) fn draw_rest(module: &impl Module) {
    let _alone = alone();
    module.visit(&mut Draw);
}

/// Looks at every parameter, which draws it; burn leaves it to the first use.
struct Draw;

impl ModuleVisitor for Draw {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        drop(param.val());
    }
}

/// Keeps others from drawing weights: the device has one generator for all threads.
fn alone() -> MutexGuard<'static, ()> {
    DRAWING.lock().unwrap_or_else(PoisonError::into_inner)
}
