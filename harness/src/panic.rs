//! A suite may say with `assert!` what it expects: the panic is a failure like any other, with its
//! line, and nothing is printed of one that is as it should be.

use std::any::Any;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::Poll;

use crate::failure::{Failure, TestResult};

thread_local! {
    /// While a suite is polled on this thread: where it panicked.
    static CAUGHT: RefCell<Option<Option<(String, u32)>>> = const { RefCell::new(None) };
}

/// Runs a suite to its end, or to its panic.
pub(crate) async fn caught(mut suite: Pin<Box<dyn Future<Output = TestResult> + '_>>) -> TestResult {
    listen();
    poll_fn(|context| {
        CAUGHT.with_borrow_mut(|caught| *caught = Some(None));
        let polled = catch_unwind(AssertUnwindSafe(|| suite.as_mut().poll(context)));
        let place = CAUGHT.with_borrow_mut(Option::take).flatten();
        match polled {
            Ok(polled) => polled,
            Err(payload) => {
                let failure = Failure::without_place(words(payload.as_ref()));
                Poll::Ready(Err(match place {
                    Some((file, line)) => failure.at_line(&file, line),
                    None => failure,
                }))
            }
        }
    })
    .await
}

/// Panics of a suite are noted, all others go to whoever heard them before.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let is_ours = CAUGHT.with_borrow_mut(|caught| match caught {
                Some(place) => {
                    *place = info.location().map(|at| (at.file().to_owned(), at.line()));
                    true
                }
                None => false,
            });
            if !is_ours {
                others(info);
            }
        }));
    });
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("the suite panicked").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_with_its_line() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let failure = runtime.block_on(caught(Box::pin(async { panic!("two and {}", 3) }))).unwrap_err();
        assert!(failure.to_string().starts_with("two and 3\n  at "), "{failure}");
        assert!(failure.to_string().contains("panic.rs:"), "{failure}");
        runtime.block_on(caught(Box::pin(async { Ok(()) }))).unwrap();
    }
}
