//! Turns a panic in a test function, as of `assert!`, into a failure with its line. It is not printed, as the test may
//! be expected to fail.

use std::any::Any;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::Poll;

use crate::failure::{Failure, TestResult};

thread_local! {
    /// `Some` while a test function is polled on this thread; inside it, where the function panicked.
    static CAUGHT: RefCell<Option<Option<(String, u32)>>> = const { RefCell::new(None) };
}

/// Runs a test function, and turns a panic into a failure.
pub(crate) async fn caught(mut test: Pin<Box<dyn Future<Output = TestResult> + '_>>) -> TestResult {
    install_hook();
    poll_fn(|context| {
        CAUGHT.with_borrow_mut(|caught| *caught = Some(None));
        let polled = catch_unwind(AssertUnwindSafe(|| test.as_mut().poll(context)));
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

/// Installs a hook that records panics of test functions. All others go to the previous hook.
fn install_hook() {
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
    text.unwrap_or("the test panicked").to_owned()
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
