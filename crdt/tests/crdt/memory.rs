//! How much memory something may take.

use cap::Cap;
use std::alloc::System;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Does `work`, which may take `bytes` more than is taken now: the process ends that takes more. Only for
/// processes of one test, as of [`crate::child::run`].
pub fn within<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    HEAP.set_limit(HEAP.allocated() + bytes).unwrap();
    let done = work();
    HEAP.set_limit(usize::MAX).unwrap();
    done
}
