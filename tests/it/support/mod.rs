//! What several tests share, such as a real database for each test.

pub(crate) mod app;
pub(crate) mod browser;
pub(crate) mod child;
pub(crate) mod database;
pub(crate) mod gate;
pub(crate) mod nested;
pub(crate) mod pooler;
pub(crate) mod postgres;
pub(crate) mod scratch;
pub(crate) mod set;
pub(crate) mod terminal;
pub(crate) mod text;
pub(crate) mod tree;
pub(crate) mod wire;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Polls a future at most this often, then drops it. Returns its output if it finished.
pub(crate) async fn polled<F: Future>(future: F, most: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            polls += 1;
            if polls < most { Poll::Pending } else { Poll::Ready(None) }
        }
    })
    .await
}

/// Makes a test for each database from each function: `name::sqlite` and `name::postgres`.
macro_rules! on_each {
    ($($test:ident),+ $(,)?) => {
        mod each {
            $(
                mod $test {
                    #[tokio::test]
                    async fn sqlite() {
                        super::super::$test(lockgate::Dialect::Sqlite).await;
                    }

                    #[tokio::test]
                    async fn postgres() {
                        super::super::$test(lockgate::Dialect::Postgres).await;
                    }
                }
            )+
        }
    };
}
pub(crate) use on_each;
