//! Parsers are strangers in the compiler's process: they recurse, and one gives up by a panic. Here
//! they get a deep stack of their own, and a panic of theirs ends as an answer and prints nothing.

use std::cell::Cell;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Room for every statement that [`super::nesting`] lets pass: unoptimised, the deepest takes 20 MB.
/// Only what is used of it costs memory.
const STACK: usize = 64 << 20;

thread_local! {
    /// Whether this thread's stack is deep.
    static DEEP: Cell<bool> = const { Cell::new(false) };
    /// Whether a panic of this thread is somebody's answer.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does the work for each item on threads with a deep stack, as many as are worth it, and gives the
/// results in the order of the items. `None` where there was no thread to be had.
pub fn for_each<T: Sync, R: Send>(
    items: &[T],
    weight: impl Fn(&T) -> usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<Option<R>> {
    const WORTH_A_THREAD: usize = 16 << 10;
    let total: usize = items.iter().map(weight).sum();
    let worth = (total / WORTH_A_THREAD + 1).min(items.len());
    // To ask costs several files of the kernel's, more than a short statement.
    let processors = if worth > 1 { thread::available_parallelism().map_or(1, NonZero::get) } else { 1 };
    let threads = processors.min(8).min(worth);
    let next = AtomicUsize::new(0);
    let some = || {
        DEEP.set(true);
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

/// Does one piece of work on a deep stack; `None` where there was no thread to be had.
pub(super) fn run<R: Send>(work: impl Fn() -> R + Sync) -> Option<R> {
    if DEEP.get() {
        return Some(work());
    }
    for_each(&[()], |()| 0, |()| work()).pop().flatten()
}

/// What the parser says, or `None` where it panicked: nothing of that is printed.
pub(super) fn quietly<R>(parse: impl FnOnce() -> R) -> Option<R> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                loud(panic);
            }
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(parse));
    QUIET.set(false);
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
    fn a_panic_is_an_answer() {
        assert_eq!(quietly(|| 1), Some(1));
        assert_eq!(run(|| quietly(|| -> u8 { panic!("the parser seems stuck") })), Some(None));
    }

    #[test]
    fn the_stack_is_deep() {
        fn down(depth: usize) -> usize {
            let filler = std::hint::black_box([depth; 128]);
            if depth == 0 { 0 } else { down(depth - 1) + filler[1] - depth + 1 }
        }
        assert_eq!(run(|| run(|| down(20_000))), Some(Some(20_000)));
    }
}
