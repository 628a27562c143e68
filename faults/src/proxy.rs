//! A proxy between a runner and PostgreSQL. It counts the messages of both directions, and breaks or delays the connection
//! at one of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What happens at a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Both directions end before it.
    CutBefore,
    /// Both directions end after it.
    CutAfter,
    /// Half of it arrives.
    Truncated,
    /// Its direction ends before it; the other continues.
    HalfClosed,
    /// It and all later messages are delayed once, by this many milliseconds.
    Delayed(u64),
}

impl How {
    /// Its name in the table of results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CutBefore => "cut before a message",
            Self::CutAfter => "cut after a message",
            Self::Truncated => "cut within a message",
            Self::HalfClosed => "half-closed at a message",
            Self::Delayed(_) => "delayed at a message",
        }
    }
}

#[derive(Debug, Default)]
struct State {
    seen: AtomicUsize,
    at: usize,
    how: Option<How>,
    struck: AtomicBool,
    end: Notify,
}

#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
    listener: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of a server on loopback. The fault happens at the n-th message, counted from 1.
    pub(crate) async fn start(upstream: u16, at: usize, how: Option<How>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State { at, how, ..State::default() });
        let shared = Arc::clone(&state);
        let listener = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                connections.spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)).await {
                        let _ = converse(client, server, state).await;
                    }
                });
            }
        });
        Ok(Self { port, state, listener })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the number of messages so far.
    pub(crate) fn seen(&self) -> usize {
        self.state.seen.load(Ordering::SeqCst)
    }

    pub(crate) fn struck(&self) -> bool {
        self.state.struck.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn converse(mut client: TcpStream, mut server: TcpStream, state: Arc<State>) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    loop {
        let (length, code) = (client.read_u32().await?, client.read_u32().await?);
        if code == 80_877_103 || code == 80_877_104 {
            client.write_all(b"N").await?;
            continue;
        }
        let mut packet = [length.to_be_bytes(), code.to_be_bytes()].concat();
        packet.resize((length as usize).max(8), 0);
        client.read_exact(&mut packet[8..]).await?;
        server.write_all(&packet).await?;
        break;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // A cut ends both: each half is dropped with its task.
    let both = async { tokio::join!(pump(from_client, to_server, &state), pump(from_server, to_client, &state)) };
    tokio::select! {
        _ = both => {}
        () = state.end.notified() => {}
    }
    Ok(())
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(64 * 1024);
    while from.read_buf(&mut buffer).await? > 0 {
        let mut passed = 0;
        while let Some(length) = first(&buffer[passed..]) {
            let number = state.seen.fetch_add(1, Ordering::SeqCst) + 1;
            if number == state.at
                && let Some(how) = state.how
            {
                state.struck.store(true, Ordering::SeqCst);
                let still = match how {
                    How::CutBefore | How::HalfClosed | How::Delayed(_) => passed,
                    How::CutAfter => passed + length,
                    How::Truncated => passed + length / 2,
                };
                to.write_all(&buffer[..still]).await?;
                match how {
                    How::Delayed(time) => tokio::time::sleep(Duration::from_millis(time)).await,
                    How::HalfClosed => {
                        to.shutdown().await?;
                        // What still comes in this direction goes nowhere.
                        let mut rest = vec![0; 4096];
                        while from.read(&mut rest).await? > 0 {}
                        return Ok(());
                    }
                    How::CutBefore | How::CutAfter | How::Truncated => {
                        to.flush().await?;
                        state.end.notify_waiters();
                        state.end.notify_one();
                        return std::future::pending().await;
                    }
                }
                buffer.drain(..still);
                passed = 0;
                continue_with(&mut passed, length);
                continue;
            }
            passed += length;
        }
        to.write_all(&buffer[..passed]).await?;
        buffer.drain(..passed);
    }
    to.shutdown().await
}

/// The delayed message has already been counted.
fn continue_with(passed: &mut usize, length: usize) {
    *passed += length;
}

fn first(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_be_bytes(bytes.get(1..5)?.try_into().expect("the slice is 4 bytes long"));
    let length = 1 + length as usize;
    (bytes.len() >= length).then_some(length)
}
