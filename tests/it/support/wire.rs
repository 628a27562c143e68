//! A loopback proxy for PostgreSQL's wire protocol. It counts, delays and cuts off what a client sends, so that tests can
//! check round trips and broken connections. It refuses TLS. It depends only on tokio, because `benches/run` uses it
//! too.
//!
//! ```text
//! let wire = Wire::in_front_of(&database.url()).await;
//! let mut connection = PgConnection::connect(&wire.url()).await?;
//! wire.reset();                                         // or count from the first connection on
//! // …
//! assert_eq!(wire.counts().round_trips, 1);
//! wire.cut(Cut::AfterCompletions(3));
//! ```

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The proxy. Dropping it closes its port and every connection through it.
#[derive(Debug)]
pub(crate) struct Wire {
    port: u16,
    url: String,
    shared: Arc<Mutex<Shared>>,
    listener: JoinHandle<()>,
}

/// What was sent after the connections were ready, since the start or the last [`Wire::reset`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The number of connections that became ready for a first query.
    pub(crate) connections: usize,
    /// How often a client sent something after it had waited for an answer, and for the first time. Messages that it
    /// sends without waiting in between are one round trip. Terminate does not count.
    ///
    /// A client did not wait if its messages arrive in one piece or before the answer. This holds for every client that
    /// writes them together.
    pub(crate) round_trips: usize,
    /// The client's messages by their type: `Q`uery, `P`arse, `B`ind, `E`xecute, `S`ync, …
    pub(crate) messages: BTreeMap<char, usize>,
    /// Bytes from the client to the server.
    pub(crate) bytes_sent: usize,
    /// Bytes from the server to the client.
    pub(crate) bytes_received: usize,
    /// Statements that the server reported as complete.
    pub(crate) completions: usize,
    /// Those of them that were `COMMIT`.
    pub(crate) commits: usize,
    /// The SQL of each Query and Parse message.
    pub(crate) sql: Vec<String>,
}

impl Counts {
    /// Returns the number of messages of this type that the client sent.
    pub(crate) fn of(&self, kind: char) -> usize {
        self.messages.get(&kind).copied().unwrap_or_default()
    }
}

/// The point at which a connection breaks. It happens once, on the connection that gets there first. Counts begin at 1
/// when [`Wire::cut`] is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// At the n-th Query message, which the server does not receive.
    BeforeQuery(usize),
    /// After the n-th Query message, which the server receives and whose answer is lost.
    AfterQuery(usize),
    /// When the server has completed n statements. The client still receives the n-th completion.
    AfterCompletions(usize),
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) counts: Counts,
    delay: Duration,
    cut: Option<Cut>,
    /// Whether the texts of the server's errors are made unreadable.
    garbled: bool,
}

impl Wire {
    /// Starts a proxy on a free loopback port for the server at this address.
    pub(crate) async fn start(upstream_host: &str, upstream_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a loopback port is free");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let url = format!("postgres://127.0.0.1:{port}/?sslmode=disable");
        let listener = tokio::spawn(listen(listener, upstream_host.to_owned(), upstream_port, Arc::clone(&shared)));
        Self { port, url, shared, listener }
    }

    /// Starts a proxy for the server of this `postgres://…` URL. [`Wire::url`] then returns the same URL through the
    /// proxy.
    pub(crate) async fn in_front_of(url: &str) -> Self {
        let address = Address::of(url);
        let mut wire = Self::start(address.host, address.port).await;
        wire.url = address.through(wire.port);
        wire
    }

    /// Returns the port on 127.0.0.1 on which it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL through the proxy, without TLS.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// From now on, adds this latency to each direction: a round trip takes twice as long.
    pub(crate) fn delay(&self, delay: Duration) {
        self.shared().delay = delay;
    }

    /// From now on, makes the texts of the server's errors unreadable, like a foreign language. Codes and fields stay.
    pub(crate) fn garble(&self) {
        self.shared().garbled = true;
    }

    /// Breaks one connection at this point.
    pub(crate) fn cut(&self, cut: Cut) {
        self.shared().cut = Some(cut);
    }

    /// Whether the cut has not happened yet.
    pub(crate) fn is_cut_pending(&self) -> bool {
        self.shared().cut.is_some()
    }

    /// Returns the counts so far.
    pub(crate) fn counts(&self) -> Counts {
        self.shared().counts.clone()
    }

    /// Resets the counts.
    pub(crate) fn reset(&self) {
        self.shared().counts = Counts::default();
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while counting")
}

async fn listen(listener: TcpListener, host: String, port: u16, shared: Arc<Mutex<Shared>>) {
    // Aborting the listener drops this, and with it the connections.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (host, shared) = (host.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            // If the server cannot be reached, the client sees a closed connection.
            if let Ok(server) = TcpStream::connect((host.as_str(), port)).await {
                let _ = converse(client, server, shared).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Runs one connection until both sides have closed it, one is lost, or it is cut.
async fn converse(mut client: TcpStream, server: TcpStream, shared: Arc<Mutex<Shared>>) -> Result<(), End> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let opening = open(&mut client).await?;
    let session = Arc::new(Mutex::new(Session::default()));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = {
        let (session, shared) = (Arc::clone(&session), Arc::clone(&shared));
        move |message: &mut Message<'_>| lock(&session).sent(message, &mut lock(&shared))
    };
    let down = {
        let shared = Arc::clone(&shared);
        move |message: &mut Message<'_>| {
            let mut shared = lock(&shared);
            if shared.garbled && message.kind == 'E' {
                message.garble();
            }
            lock(&session).received(message, &mut shared)
        }
    };
    tokio::try_join!(
        pump(from_client, to_server, opening, Arc::clone(&shared), up),
        pump(from_server, to_client, Vec::new(), shared, down),
    )?;
    Ok(())
}

/// Reads the client's start-up packet, the one message without a type, and refuses TLS before it.
async fn open(client: &mut TcpStream) -> Result<Vec<u8>, End> {
    const TLS: u32 = 80_877_103;
    const GSS: u32 = 80_877_104;
    loop {
        let (length, code) = (client.read_u32().await?, client.read_u32().await?);
        if code == TLS || code == GSS {
            client.write_all(b"N").await?;
            continue;
        }
        let mut packet = [length.to_be_bytes(), code.to_be_bytes()].concat();
        packet.resize((length as usize).max(8), 0);
        client.read_exact(&mut packet[8..]).await?;
        return Ok(packet);
    }
}

/// Why a connection ended before both sides had closed it.
enum End {
    Lost,
    Cut,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Lost
    }
}

/// One message after the start-up packet, including its five bytes of head.
pub(crate) struct Message<'a> {
    pub(crate) kind: char,
    pub(crate) bytes: &'a mut [u8],
}

impl Message<'_> {
    /// Returns the text at this offset after the head, up to the NUL.
    fn text(&self, offset: usize) -> &[u8] {
        let rest = self.bytes.get(5 + offset..).unwrap_or_default();
        rest.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Makes the message, detail and hint of an error unreadable, including quotes and numbers.
    fn garble(&mut self) {
        let fields = self.bytes[5..].split_mut(|byte| *byte == 0);
        for field in fields.filter(|field| matches!(field.first(), Some(b'M' | b'D' | b'H'))) {
            field[1..].fill(b'x');
        }
    }
}

/// What the proxy does with a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    CutBefore,
    CutAfter,
}

/// Forwards one direction. To add latency, each piece goes to a separate writer with the time at which it is due, so that
/// pieces do not delay each other.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    opening: Vec<u8>,
    shared: Arc<Mutex<Shared>>,
    mut judge: impl FnMut(&mut Message<'_>) -> Verdict,
) -> Result<(), End> {
    let (pieces, mut due) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let send = |bytes: Vec<u8>| {
            let at = Instant::now() + lock(&shared).delay;
            pieces.send((at, bytes)).map_err(|_| End::Lost)
        };
        send(opening)?;
        let mut buffer = Vec::with_capacity(64 * 1024);
        while from.read_buf(&mut buffer).await? > 0 {
            let (mut passed, mut cut) = (0, false);
            while let Some(mut message) = first_message(&mut buffer[passed..]) {
                let verdict = judge(&mut message);
                cut = verdict != Verdict::Pass;
                if verdict != Verdict::CutBefore {
                    passed += message.bytes.len();
                }
                if cut {
                    break;
                }
            }
            if passed > 0 {
                send(buffer.drain(..passed).collect())?;
            }
            if cut {
                return Ok(true);
            }
        }
        Ok::<_, End>(false)
    };
    let write = async move {
        while let Some((at, bytes)) = due.recv().await {
            if at > Instant::now() {
                tokio::time::sleep_until(at).await;
            }
            to.write_all(&bytes).await?;
        }
        to.shutdown().await?;
        Ok::<_, End>(())
    };
    let (cut, ()) = tokio::try_join!(read, write)?;
    if cut { Err(End::Cut) } else { Ok(()) }
}

fn first_message(bytes: &mut [u8]) -> Option<Message<'_>> {
    let length = u32::from_be_bytes(bytes.get(1..5)?.try_into().expect("the slice is 4 bytes long"));
    let bytes = bytes.get_mut(..1 + length as usize)?;
    Some(Message { kind: char::from(bytes[0]), bytes })
}

/// The state of one connection.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Whether the server has sent its first ReadyForQuery, so the start-up is over.
    ready: bool,
    /// Whether the client has received the answer that it waited for, or has sent nothing yet.
    answered: bool,
    /// The number of ReadyForQuery messages that the client still waits for.
    pending: usize,
    /// Whether the client's last message was Flush. It may then wait for any answer.
    flushed: bool,
}

impl Session {
    pub(crate) fn sent(&mut self, message: &Message<'_>, shared: &mut Shared) -> Verdict {
        if !self.ready {
            return Verdict::Pass;
        }
        let Shared { counts, cut, .. } = shared;
        if self.answered && message.kind != 'X' {
            counts.round_trips += 1;
            self.answered = false;
        }
        self.flushed = message.kind == 'H';
        self.pending += usize::from(matches!(message.kind, 'Q' | 'S' | 'F'));
        counts.bytes_sent += message.bytes.len();
        *counts.messages.entry(message.kind).or_default() += 1;
        match message.kind {
            'Q' => {
                counts.sql.push(String::from_utf8_lossy(message.text(0)).into_owned());
                return count_down(cut, |cut| match cut {
                    Cut::BeforeQuery(left) => Some((left, Verdict::CutBefore)),
                    Cut::AfterQuery(left) => Some((left, Verdict::CutAfter)),
                    Cut::AfterCompletions(_) => None,
                });
            }
            'P' => {
                let statement = message.text(0).len() + 1;
                counts.sql.push(String::from_utf8_lossy(message.text(statement)).into_owned());
            }
            _ => {}
        }
        Verdict::Pass
    }

    pub(crate) fn received(&mut self, message: &Message<'_>, shared: &mut Shared) -> Verdict {
        let Shared { counts, cut, .. } = shared;
        if !self.ready {
            if message.kind == 'Z' {
                (self.ready, self.answered) = (true, true);
                counts.connections += 1;
            }
            return Verdict::Pass;
        }
        counts.bytes_received += message.bytes.len();
        // The server sends notices, parameters and notifications unasked.
        if self.flushed && !matches!(message.kind, 'N' | 'S' | 'A') {
            self.answered = true;
        }
        match message.kind {
            'Z' => {
                self.pending = self.pending.saturating_sub(1);
                self.answered |= self.pending == 0;
            }
            // The server waits for the client's copy data now.
            'G' | 'W' => self.answered = true,
            'C' => {
                counts.completions += 1;
                counts.commits += usize::from(message.text(0) == b"COMMIT");
                return count_down(cut, |cut| match cut {
                    Cut::AfterCompletions(left) => Some((left, Verdict::CutAfter)),
                    Cut::BeforeQuery(_) | Cut::AfterQuery(_) => None,
                });
            }
            _ => {}
        }
        Verdict::Pass
    }
}

/// Counts down a cut of the kind that `meant` selects. Returns the verdict when the count reaches zero.
fn count_down(cut: &mut Option<Cut>, meant: impl FnOnce(&mut Cut) -> Option<(&mut usize, Verdict)>) -> Verdict {
    let Some((left, verdict)) = cut.as_mut().and_then(meant) else { return Verdict::Pass };
    *left = left.saturating_sub(1);
    if *left > 0 {
        return Verdict::Pass;
    }
    *cut = None;
    verdict
}

/// The parts of a URL that the proxy replaces, and the rest.
pub(crate) struct Address<'a> {
    before: &'a str,
    host: &'a str,
    pub(crate) port: u16,
    after: &'a str,
}

impl<'a> Address<'a> {
    pub(crate) fn of(url: &'a str) -> Self {
        let start = url.find("://").map_or(0, |at| at + 3);
        let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
        let start = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
        let (host, port) = match url[start..end].rsplit_once(':') {
            Some((host, port)) => (host, port.parse().expect("a port is a number")),
            None => (&url[start..end], 5432),
        };
        Self { before: &url[..start], host, port, after: &url[end..] }
    }

    pub(crate) fn through(&self, port: u16) -> String {
        let separator = if self.after.contains('?') { '&' } else { '?' };
        format!("{}127.0.0.1:{port}{}{separator}sslmode=disable", self.before, self.after)
    }
}
