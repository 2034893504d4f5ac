//! A server whose connections can die without a word, as they do while a function is frozen.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

/// Answers every request alike.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    answer: &'static str,
    /// How often all connections were lost.
    losses: AtomicUsize,
    answered: AtomicUsize,
    unanswered: AtomicUsize,
}

impl Server {
    /// A server that answers 200 and this body.
    pub(crate) fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            answer,
            losses: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || state.serve(connection));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on nothing is answered over the connections that there are. They stay open.
    pub(crate) fn lose_connections(&self) {
        self.state.losses.fetch_add(1, SeqCst);
    }

    pub(crate) fn answered(&self) -> usize {
        self.state.answered.load(SeqCst)
    }

    pub(crate) fn unanswered(&self) -> usize {
        self.state.unanswered.load(SeqCst)
    }
}

impl State {
    fn serve(&self, mut connection: TcpStream) {
        let losses = self.losses.load(SeqCst);
        let mut requests = BufReader::new(connection.try_clone().unwrap());
        while read(&mut requests).is_some() {
            if self.losses.load(SeqCst) > losses {
                self.unanswered.fetch_add(1, SeqCst);
                continue;
            }
            self.answered.fetch_add(1, SeqCst);
            let (body, length) = (self.answer, self.answer.len());
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            connection.write_all(answer.as_bytes()).unwrap();
        }
    }
}

/// Reads a request to its end; none where the connection has ended.
fn read(requests: &mut impl BufRead) -> Option<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        requests
            .read_line(&mut line)
            .ok()
            .filter(|read| *read > 0)?;
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            return requests.read_exact(&mut vec![0; length]).ok();
        }
    }
}
