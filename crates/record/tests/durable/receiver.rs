//! A receiver of lists of events that answers as it is told.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kubevigil_kubeconfig::Access;
use kubevigil_record::sink::ErrorCounters;
use kubevigil_record::webhook::WebhookSink;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::ids_of;

/// Takes the list, then closes the connection instead of an answer.
pub(crate) const HANG_UP: u16 = 0;

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

pub(crate) struct State {
    /// How lists are answered.
    status: AtomicU16,
    /// Lists of more events are answered with 413.
    most: AtomicUsize,
    /// The ids of each list that came, and its answer.
    lists: Mutex<Vec<(u16, Vec<String>)>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    /// Listens at this address, which must be free.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            status: AtomicU16::new(200),
            most: AtomicUsize::new(usize::MAX),
            lists: Mutex::default(),
        });
        let kept = Arc::clone(&state);
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&kept)));
            }
        });
        Self {
            address,
            state,
            task,
        }
    }

    /// An address at which nobody listens.
    pub(crate) fn nobody() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    }

    pub(crate) fn answers(&self, status: u16) {
        self.state.status.store(status, Ordering::Relaxed);
    }

    pub(crate) fn takes_at_most(&self, events: usize) {
        self.state.most.store(events, Ordering::Relaxed);
    }

    /// Every list that came, with its answer.
    pub(crate) fn lists(&self) -> Vec<(u16, Vec<String>)> {
        self.state.lists.lock().unwrap().clone()
    }

    /// The ids in lists that were answered so.
    pub(crate) fn ids(&self, is_meant: impl Fn(u16) -> bool) -> Vec<String> {
        let lists = self.lists().into_iter();
        lists
            .filter(|(status, _)| is_meant(*status))
            .flat_map(|(_, ids)| ids)
            .collect()
    }
}

impl State {
    /// Notes a list; how it is answered.
    fn take(&self, ids: Vec<String>) -> u16 {
        let status = match ids.len() > self.most.load(Ordering::Relaxed) {
            true => 413,
            false => self.status.load(Ordering::Relaxed),
        };
        self.lists.lock().unwrap().push((status, ids));
        status
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, state: Arc<State>) {
    let Some((head, body)) = request(&mut stream).await else {
        return;
    };
    let status = if head.contains(" /moved ") {
        200
    } else {
        state.take(ids_of(&serde_json::from_slice(&body).unwrap()))
    };
    let more = match status {
        302 | 308 => "Location: /moved\r\n",
        429 => "Retry-After: 1\r\n",
        _ => "",
    };
    if status != HANG_UP {
        let head =
            format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n{more}Connection: close\r\n\r\n");
        let _ = stream.write_all(head.as_bytes()).await;
    }
}

/// A request's head, and its body; `None` when the connection ends before it does.
async fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).to_ascii_lowercase();
            let length = head
                .split_once("content-length: ")
                .map_or("0", |(_, rest)| rest);
            let length: usize = length.split("\r\n").next()?.parse().ok()?;
            if bytes.len() >= at + 4 + length {
                return Some((head, bytes.split_off(at + 4)));
            }
        }
        let mut part = [0; 65_536];
        let count = stream
            .read(&mut part)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
    }
}

/// The webhook of a receiver, which waits little between tries.
pub(crate) fn webhook(address: SocketAddr) -> WebhookSink {
    let access = Access::direct(&format!("http://{address}/audit"), None).unwrap();
    let counters: Arc<ErrorCounters> = Arc::default();
    WebhookSink::from_access(&access, Duration::from_millis(20), counters).unwrap()
}
