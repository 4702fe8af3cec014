//! Threads that learn: they leave a core to the window, and where the system knows priorities they give way to it.

use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Of 0 to 19: of a core that both want, the window then gets three quarters. More would let other programs starve what
/// learns on a small machine.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Does something long, with all that it spreads over threads, on threads of its own: one fewer than there are cores. Where
/// these cannot be started, it is done on the threads of everybody.
pub(super) fn in_background<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let name = |nth| format!("learning {nth}");
        let pool = ThreadPoolBuilder::new().num_threads((cores - 1).max(1)).thread_name(name);
        pool.start_handler(|_| give_way()).build().ok()
    });
    match pool {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

/// Lets everything else go first. On Linux niceness belongs to the thread; elsewhere it would slow the window down as well.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!("the threads that learn keep their priority: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_learns_leaves_a_core_and_gives_way() {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let (threads, name) = in_background(|| {
            let name = std::thread::current().name().map(str::to_owned);
            (rayon::current_num_threads(), name)
        });
        assert_eq!(threads, (cores - 1).max(1));
        assert!(name.is_some_and(|name| name.starts_with("learning")));
        #[cfg(target_os = "linux")]
        {
            let here = rustix::process::getpriority_process(None).unwrap();
            let there = in_background(|| rustix::process::getpriority_process(None).unwrap());
            assert_eq!(there, (here + NICENESS).min(19));
        }
    }
}
