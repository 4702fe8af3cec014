//! Threads that only draw.

use std::sync::LazyLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// More have little to do: a window has some dozen bands.
const MOST_THREADS: usize = 8;

/// In a pool that others use, a frame would wait for their work: a layer of a network takes longer than a frame.
static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("canvas {i}"));
    pool.build().ok()
});

/// Does work whose parallel parts run on the threads that draw; where the system refuses threads, on those of all.
pub(crate) fn draw<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match &*POOL {
        Some(pool) => pool.install(work),
        None => work(),
    }
}
