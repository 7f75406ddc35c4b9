//! A proxy between a client and a Postgres server: it counts, delays, refuses, and cuts connections at a chosen moment.
//!
//! Threads and the standard library alone, and nothing of the harness: a benchmark includes this file as well.

#![allow(dead_code, reason = "tests and benchmarks use different parts of it")]

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Where the server is.
#[derive(Debug, Clone)]
pub(crate) enum Upstream {
    /// Host and port.
    Tcp(String, u16),
    /// The socket itself, `/run/postgresql/.s.PGSQL.5432`.
    Unix(PathBuf),
}

/// Which simple Query message a cut waits for.
#[derive(Debug, Clone)]
pub(crate) enum Query {
    /// The n-th from when it was asked for, over all connections, from 1.
    Nth(u64),
    /// The first with this text in it.
    With(String),
}

/// When the connection is cut. Either way the client gets nothing of the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The server has it whole; whether it comes to act on it is open.
    Forwarded,
    /// The server has answered in full, so what it committed is committed.
    Answered,
}

/// What the proxy says itself to who connects.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// `57P03`, `53300`, …
    pub(crate) sqlstate: &'static str,
    /// Postgres' words.
    pub(crate) message: &'static str,
}

/// What went through, since the proxy was started or [`Proxy::reset`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Connections that were accepted, refused ones too.
    pub(crate) connections: u64,
    /// Of these, the ones that the proxy refused with words of its own.
    pub(crate) refused: u64,
    /// Connections that are open now.
    pub(crate) live: u64,
    /// The most that were open at once.
    pub(crate) most_live: u64,
    /// Round trips of connecting, up to the first `ReadyForQuery`.
    pub(crate) start_round_trips: u64,
    /// Round trips behind that: client messages that began after the client had heard from the server. Terminate asks for no
    /// answer and is none.
    pub(crate) round_trips: u64,
    /// Messages of the client, start-up included.
    pub(crate) messages: u64,
    /// Of these, the simple Query messages.
    pub(crate) queries: u64,
    /// Bytes that the client sent.
    pub(crate) bytes: u64,
    /// Connections that the proxy cut.
    pub(crate) cut: u64,
}

/// How a proxy is to be.
#[derive(Debug, Clone)]
pub(crate) struct Builder {
    upstream: Upstream,
    delay: Duration,
    cut: Option<(Query, Moment)>,
    refusals: (u64, Option<Refusal>),
}

impl Builder {
    /// Delivers every byte this much after it came, in each direction: latency, and not less throughput.
    pub(crate) fn delay(mut self, one_way: Duration) -> Self {
        self.delay = one_way;
        self
    }

    /// Cuts the connection that sends this message, once.
    pub(crate) fn cut(mut self, query: Query, moment: Moment) -> Self {
        self.cut = Some((query, moment));
        self
    }

    /// Refuses the first `count` connections with these words.
    pub(crate) fn refuse_first(mut self, count: u64, refusal: Refusal) -> Self {
        self.refusals = (count, Some(refusal));
        self
    }

    /// Listens on a free port of the loopback address.
    pub(crate) fn start(self) -> io::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = State {
            counts: Counts::default(),
            refusals: self.refusals.0,
            refusal: self.refusals.1,
            cut: self.cut.map(Cut::new),
            links: BTreeMap::new(),
            next_link: 0,
            listening: true,
        };
        let shared = Arc::new(Shared { upstream: self.upstream, delay: self.delay, address, state: Mutex::new(state) });
        let acceptor = accept(Arc::clone(&shared), listener);
        Ok(Proxy { shared, acceptor: Mutex::new(Some(acceptor)) })
    }
}

/// A proxy under way; it ends, with all of its connections, when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// Before this server.
    pub(crate) fn before(upstream: Upstream) -> Builder {
        Builder { upstream, delay: Duration::ZERO, cut: None, refusals: (0, None) }
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.shared.address.port()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.shared.state().counts
    }

    /// Counts from here on. What is open stays counted as open.
    pub(crate) fn reset(&self) {
        let counts = &mut self.shared.state().counts;
        *counts = Counts { live: counts.live, most_live: counts.live, ..Counts::default() };
    }

    /// Cuts the connection that sends this message, once, from now on.
    pub(crate) fn cut(&self, query: Query, moment: Moment) {
        self.shared.state().cut = Some(Cut::new((query, moment)));
    }

    /// Refuses the next `count` connections with these words; `u64::MAX` for all until this is called again.
    pub(crate) fn refuse(&self, count: u64, refusal: Refusal) {
        let mut state = self.shared.state();
        state.refusals = count;
        state.refusal = Some(refusal);
    }

    /// Cuts every connection that is open.
    pub(crate) fn cut_all(&self) {
        let links: Vec<_> = self.shared.state().links.values().cloned().collect();
        for link in links {
            link.cut();
        }
    }

    /// Nobody listens any more, as when the server is down, and what was open is cut.
    pub(crate) fn close(&self) {
        self.stop_listening();
        self.cut_all();
    }

    /// Listens again, on the same port.
    pub(crate) fn open(&self) -> io::Result<()> {
        let mut acceptor = self.acceptor.lock().unwrap_or_else(PoisonError::into_inner);
        if acceptor.is_none() {
            let listener = TcpListener::bind(self.shared.address)?;
            self.shared.state().listening = true;
            *acceptor = Some(accept(Arc::clone(&self.shared), listener));
        }
        Ok(())
    }

    fn stop_listening(&self) {
        let Some(acceptor) = self.acceptor.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        self.shared.state().listening = false;
        // Wakes the thread that waits for a connection.
        drop(TcpStream::connect(self.shared.address));
        drop(acceptor.join());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.close();
    }
}

#[derive(Debug)]
struct Shared {
    upstream: Upstream,
    delay: Duration,
    address: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    counts: Counts,
    refusals: u64,
    refusal: Option<Refusal>,
    cut: Option<Cut>,
    links: BTreeMap<u64, Arc<Link>>,
    next_link: u64,
    listening: bool,
}

#[derive(Debug)]
struct Cut {
    query: Query,
    moment: Moment,
    seen: u64,
}

impl Cut {
    fn new((query, moment): (Query, Moment)) -> Self {
        Self { query, moment, seen: 0 }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two sockets, and what is known of the talk between them.
#[derive(Debug)]
struct Link {
    client: Stream,
    server: Stream,
    talk: Mutex<Talk>,
}

#[derive(Debug, Default)]
struct Talk {
    /// The client has begun nothing since it last heard from the server.
    heard: bool,
    /// A byte, and no message, answers the request for encryption.
    asked_for_tls: bool,
    /// `ReadyForQuery` so far, and how many there will have been once everything sent so far is answered.
    ready: u64,
    expected: u64,
    /// From behind so many of them nothing is given to the client.
    silent_after: Option<u64>,
    /// It is counted as cut.
    cut: bool,
}

impl Link {
    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        self.client.shut();
        self.server.shut();
    }
}

fn accept(shared: Arc<Shared>, listener: TcpListener) -> JoinHandle<()> {
    thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let refusal = {
                let mut state = shared.state();
                if !state.listening {
                    return;
                }
                state.counts.connections += 1;
                if state.refusals > 0 {
                    state.refusals -= u64::from(state.refusals != u64::MAX);
                    state.counts.refused += 1;
                    state.refusal.clone()
                } else {
                    None
                }
            };
            let shared = Arc::clone(&shared);
            thread::spawn(move || match refusal {
                Some(refusal) => drop(refuse(client, &refusal)),
                None => drop(connect(&shared, client)),
            });
        }
    })
}

/// Reads what the client begins with, which it must be allowed to send, and refuses it as a server does.
fn refuse(mut client: TcpStream, refusal: &Refusal) -> io::Result<()> {
    loop {
        let mut head = [0; 8];
        client.read_exact(&mut head)?;
        let [a, b, c, d, code @ ..] = head;
        let mut rest = vec![0; (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(8)];
        client.read_exact(&mut rest)?;
        if !asks_for_encryption(code) {
            break;
        }
        client.write_all(b"N")?;
    }
    let mut fields = Vec::new();
    for (field, value) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', refusal.sqlstate), (b'M', refusal.message)] {
        fields.push(field);
        fields.extend_from_slice(value.as_bytes());
        fields.push(0);
    }
    fields.push(0);
    let length = u32::try_from(fields.len() + 4).unwrap_or(u32::MAX);
    client.write_all(&[&b"E"[..], &length.to_be_bytes(), &fields].concat())?;
    client.shutdown(Shutdown::Write)
}

/// Neither `SSLRequest` nor `GSSENCRequest` begins the session.
fn asks_for_encryption(code: [u8; 4]) -> bool {
    matches!(u32::from_be_bytes(code), 80_877_103 | 80_877_104)
}

/// Connects to the server and passes on what either says, until one of them ends.
fn connect(shared: &Arc<Shared>, client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let server = match &shared.upstream {
        Upstream::Tcp(host, port) => {
            let server = TcpStream::connect((host.as_str(), *port))?;
            server.set_nodelay(true)?;
            Stream::Tcp(server)
        }
        #[cfg(unix)]
        Upstream::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
        #[cfg(not(unix))]
        Upstream::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
    };
    let talk = Talk { heard: true, ..Talk::default() };
    let link = Arc::new(Link { client: Stream::Tcp(client), server, talk: Mutex::new(talk) });
    let number = {
        let mut state = shared.state();
        state.counts.live += 1;
        state.counts.most_live = state.counts.most_live.max(state.counts.live);
        state.next_link += 1;
        let number = state.next_link;
        state.links.insert(number, Arc::clone(&link));
        number
    };
    let back = {
        let (shared, link) = (Arc::clone(shared), Arc::clone(&link));
        thread::spawn(move || {
            drop(to_client(&shared, &link));
            link.cut();
        })
    };
    drop(to_server(shared, &link));
    // What the client said last may still be on its way, and so may the answer, but there is no one left to hear it.
    link.cut();
    drop(back.join());
    let mut state = shared.state();
    state.counts.live -= 1;
    state.links.remove(&number);
    Ok(())
}

fn to_server(shared: &Arc<Shared>, link: &Arc<Link>) -> io::Result<()> {
    let mut way = Line::new(shared.delay, link, |link| &link.server);
    let mut messages = Messages::of_client();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let length = (&link.client).read(&mut buffer)?;
        if length == 0 {
            return way.end();
        }
        let keep = matches!(&shared.state().cut, Some(Cut { query: Query::With(_), .. }));
        let mut cut = None;
        let mut counts = Counts { bytes: length as u64, ..Counts::default() };
        messages.feed(&buffer[..length], keep, |step| note_client(shared, link, &step, &mut counts, &mut cut));
        {
            let total = &mut shared.state().counts;
            total.bytes += counts.bytes;
            total.messages += counts.messages;
            total.queries += counts.queries;
            total.round_trips += counts.round_trips;
            total.start_round_trips += counts.start_round_trips;
        }
        way.send(&buffer[..length])?;
        if cut == Some(Moment::Forwarded) {
            way.end()?;
            count_cut(shared, link);
            return Ok(());
        }
    }
}

/// Notes a message of the client's, its beginning and its end; says if the connection is to be cut for it.
fn note_client(shared: &Shared, link: &Link, step: &Step<'_>, counts: &mut Counts, cut: &mut Option<Moment>) {
    let mut talk = link.talk();
    match step {
        Step::Begin(kind) => {
            if std::mem::replace(&mut talk.heard, false) && *kind != b'X' {
                let of_start = talk.ready == 0;
                counts.start_round_trips += u64::from(of_start);
                counts.round_trips += u64::from(!of_start);
            }
        }
        Step::End(kind, start) => {
            counts.messages += 1;
            counts.queries += u64::from(*kind == b'Q');
            match kind {
                0 if asks_for_encryption(*start) => talk.asked_for_tls = true,
                // Each of these is answered up to a ReadyForQuery.
                0 | b'Q' | b'S' | b'F' => talk.expected += 1,
                _ => {}
            }
        }
        Step::Query(text) => {
            let mut state = shared.state();
            let hit = state.cut.as_mut().is_some_and(|cut| {
                cut.seen += 1;
                match &cut.query {
                    Query::Nth(n) => cut.seen == *n,
                    Query::With(words) => text.windows(words.len().max(1)).any(|window| window == words.as_bytes()),
                }
            });
            if hit {
                // The last byte of it is still here, so the server has not answered it.
                talk.silent_after = Some(talk.expected.saturating_sub(1));
                *cut = state.cut.take().map(|cut| cut.moment);
            }
        }
    }
}

fn to_client(shared: &Arc<Shared>, link: &Arc<Link>) -> io::Result<()> {
    let mut way = Line::new(shared.delay, link, |link| &link.client);
    let mut messages = Messages::of_server();
    let mut buffer = vec![0; 1 << 18];
    let mut encrypted = false;
    loop {
        let length = (&link.server).read(&mut buffer)?;
        let mut chunk = &buffer[..length];
        if length == 0 {
            return way.end();
        }
        if encrypted {
            way.send(chunk)?;
            continue;
        }
        if std::mem::take(&mut link.talk().asked_for_tls) {
            let (answer, rest) = chunk.split_at(1);
            encrypted = answer != b"N";
            way.send(answer)?;
            chunk = rest;
        }
        while !chunk.is_empty() {
            // Up to the end of an answer, so that it is known which one a byte belongs to.
            let (taken, is_ready) = messages.feed_answer(chunk);
            let (answer, rest) = chunk.split_at(taken);
            let silent = {
                let talk = link.talk();
                talk.silent_after.is_some_and(|after| talk.ready >= after)
            };
            if is_ready {
                link.talk().ready += 1;
            }
            if !silent {
                way.send(answer)?;
            } else if is_ready {
                count_cut(shared, link);
                return Ok(());
            }
            chunk = rest;
        }
    }
}

/// Counts it once: the server may answer while the connection is being cut.
fn count_cut(shared: &Shared, link: &Link) {
    if !std::mem::replace(&mut link.talk().cut, true) {
        shared.state().counts.cut += 1;
    }
}

/// Which of the two sockets of a link.
type Side = fn(&Link) -> &Stream;

/// Delivers what is put in after a delay, and in order.
enum Line<'a> {
    Direct(&'a Arc<Link>, Side),
    Delayed { delay: Duration, queue: Option<Sender<(Instant, Vec<u8>)>>, worker: Option<JoinHandle<()>> },
}

impl<'a> Line<'a> {
    fn new(delay: Duration, link: &'a Arc<Link>, to: Side) -> Self {
        if delay.is_zero() {
            return Self::Direct(link, to);
        }
        let (sender, receiver): (_, Receiver<(Instant, Vec<u8>)>) = channel();
        let link = Arc::clone(link);
        let worker = thread::spawn(move || {
            for (due, bytes) in receiver {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if deliver(&link, to, &bytes).is_err() {
                    link.cut();
                    return;
                }
            }
        });
        Self::Delayed { delay, queue: Some(sender), worker: Some(worker) }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Direct(link, to) => deliver(link, *to, bytes),
            Self::Delayed { delay, queue, .. } => queue
                .as_ref()
                .and_then(|queue| queue.send((Instant::now() + *delay, bytes.to_vec())).ok())
                .ok_or_else(|| io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Waits until everything has been delivered.
    fn end(&mut self) -> io::Result<()> {
        if let Self::Delayed { queue, worker, .. } = self {
            drop(queue.take());
            drop(worker.take().map(JoinHandle::join));
        }
        Ok(())
    }
}

fn deliver(link: &Link, to: Side, bytes: &[u8]) -> io::Result<()> {
    let stream = to(link);
    if std::ptr::eq(stream, &raw const link.client) {
        // Before the write: the client may answer before this thread goes on.
        link.talk().heard = true;
    }
    let mut writer = stream;
    writer.write_all(bytes)
}

/// What [`Messages`] finds in the client's bytes.
enum Step<'a> {
    /// A message of this kind begins; 0 is a start-up packet, which has no kind.
    Begin(u8),
    /// It is whole. For a start-up packet with the first four bytes of its content.
    End(u8, [u8; 4]),
    /// It was a simple Query; its text, if that was to be kept.
    Query(&'a [u8]),
}

/// Splits a stream into messages, without keeping more than their heads.
struct Messages {
    /// Start-up packets have a length and no kind.
    starting: bool,
    head: Vec<u8>,
    left: usize,
    kind: u8,
    start: Vec<u8>,
    text: Vec<u8>,
    begun: bool,
}

impl Messages {
    fn of_client() -> Self {
        Self { starting: true, ..Self::of_server() }
    }

    fn of_server() -> Self {
        Self { starting: false, head: Vec::new(), left: 0, kind: 0, start: Vec::new(), text: Vec::new(), begun: false }
    }

    /// Reads on up to the end of the message or the chunk: how many bytes, and whether the message is whole.
    fn advance(&mut self, chunk: &[u8], keep: bool) -> (usize, bool) {
        let wanted = if self.starting { 4 } else { 5 };
        let head = chunk.len().min(wanted - self.head.len());
        self.head.extend_from_slice(&chunk[..head]);
        if self.head.len() < wanted {
            return (head, false);
        }
        if !self.begun {
            self.begun = true;
            let (kind, length) = self.head.split_at(wanted - 4);
            self.kind = kind.first().copied().unwrap_or(0);
            let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
            self.left = length.saturating_sub(4);
            self.start.clear();
            self.text.clear();
        }
        let body = self.left.min(chunk.len() - head);
        let content = &chunk[head..head + body];
        if self.starting {
            let missing = 4_usize.saturating_sub(self.start.len()).min(content.len());
            self.start.extend_from_slice(&content[..missing]);
        } else if keep && self.kind == b'Q' {
            self.text.extend_from_slice(content);
        }
        self.left -= body;
        let whole = self.left == 0;
        if whole {
            self.head.clear();
            self.begun = false;
        }
        (head + body, whole)
    }

    fn feed(&mut self, mut chunk: &[u8], keep: bool, mut found: impl FnMut(Step<'_>)) {
        while !chunk.is_empty() {
            if self.head.is_empty() {
                found(Step::Begin(if self.starting { 0 } else { chunk[0] }));
            }
            let (taken, whole) = self.advance(chunk, keep);
            chunk = &chunk[taken..];
            if whole {
                let mut start = [0; 4];
                start.iter_mut().zip(&self.start).for_each(|(to, from)| *to = *from);
                let kind = if self.starting { 0 } else { self.kind };
                self.starting &= asks_for_encryption(start);
                found(Step::End(kind, start));
                if kind == b'Q' {
                    found(Step::Query(&self.text));
                }
            }
        }
    }

    /// Reads on up to the end of an answer or of the chunk: how many bytes, and whether it ended with `ReadyForQuery`.
    fn feed_answer(&mut self, chunk: &[u8]) -> (usize, bool) {
        let mut taken = 0;
        while taken < chunk.len() {
            let (more, whole) = self.advance(&chunk[taken..], false);
            taken += more;
            if whole && self.kind == b'Z' {
                return (taken, true);
            }
        }
        (taken, false)
    }
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    /// Ends it in both directions. One that has ended already is no error.
    fn shut(&self) {
        drop(match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        });
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&mut &*stream).read(buffer),
            #[cfg(unix)]
            Stream::Unix(stream) => (&mut &*stream).read(buffer),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&mut &*stream).write(bytes),
            #[cfg(unix)]
            Stream::Unix(stream) => (&mut &*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
