//! Runs the parsers on threads with a large stack, because they recurse deeply, and turns their panics into
//! results without printing them: they run inside the compiler.

use std::cell::Cell;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The stack size in bytes. The deepest statement that [`super::nesting`] allows needs 20 MB without
/// optimizations. Only the used part of a stack costs memory.
const STACK: usize = 64 << 20;

thread_local! {
    /// Whether this thread has a large stack.
    static HAS_BIG_STACK: Cell<bool> = const { Cell::new(false) };
    /// Whether [`catch_panic`] handles the panics of this thread.
    static CATCHES_PANICS: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` for each item on threads with a large stack, and returns the results in the order of the
/// items. `weight` is an item's number of bytes, which decides how many threads are started. A result is
/// `None` if no thread could be started.
pub fn for_each<T: Sync, R: Send>(
    items: &[T],
    weight: impl Fn(&T) -> usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<Option<R>> {
    const WORTH_A_THREAD: usize = 16 << 10;
    let total: usize = items.iter().map(weight).sum();
    let worth = (total / WORTH_A_THREAD + 1).min(items.len());
    // This call reads several files of the kernel, which takes longer than a short statement.
    let processors = if worth > 1 { thread::available_parallelism().map_or(1, NonZero::get) } else { 1 };
    let threads = processors.min(8).min(worth);
    let next = AtomicUsize::new(0);
    let some = || {
        HAS_BIG_STACK.set(true);
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    thread::scope(|scope| {
        let builder = || thread::Builder::new().name("lockgate-grammar".to_owned()).stack_size(STACK);
        let workers: Vec<_> = (0..threads).filter_map(|_| builder().spawn_scoped(scope, some).ok()).collect();
        for worker in workers {
            let done = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            done.into_iter().for_each(|(index, result)| results[index] = Some(result));
        }
    });
    results
}

/// Runs `work` on a large stack. Returns `None` if no thread could be started.
pub(super) fn run<R: Send>(work: impl Fn() -> R + Sync) -> Option<R> {
    if HAS_BIG_STACK.get() {
        return Some(work());
    }
    for_each(&[()], |()| 0, |()| work()).pop().flatten()
}

/// Runs the parser. Returns `None` if it panicked, and prints nothing then.
pub(super) fn catch_panic<R>(parse: impl FnOnce() -> R) -> Option<R> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !CATCHES_PANICS.get() {
                previous(panic);
            }
        }));
    });
    CATCHES_PANICS.set(true);
    let result = catch_unwind(AssertUnwindSafe(parse));
    CATCHES_PANICS.set(false);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..100).collect();
        let results = for_each(&items, |_| 1 << 20, |item| item * 2);
        assert_eq!(results, items.iter().map(|item| Some(item * 2)).collect::<Vec<_>>());
        assert_eq!(for_each(&[0_usize; 0], |_| 0, |item| *item), []);
    }

    #[test]
    fn a_panic_is_a_result() {
        assert_eq!(catch_panic(|| 1), Some(1));
        assert_eq!(run(|| catch_panic(|| -> u8 { panic!("the parser seems stuck") })), Some(None));
    }

    #[test]
    fn the_stack_is_large() {
        fn down(depth: usize) -> usize {
            let filler = std::hint::black_box([depth; 128]);
            if depth == 0 { 0 } else { down(depth - 1) + filler[1] - depth + 1 }
        }
        assert_eq!(run(|| run(|| down(20_000))), Some(Some(20_000)));
    }
}
