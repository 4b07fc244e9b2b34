//! Plays audit events into a webhook the way the audit backend of a kube-apiserver does: lists of up to 400 events, POSTed over
//! kept-alive connections, several at once, tried again when they are refused.
//!
//! The events come from log files (one a line) or, with `--generate`, from the generator. Prints what was acknowledged and how long
//! answers took.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use clap::Parser;
use kubevigil_bench::Generator;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::sync::Mutex;

/// Play audit events into a webhook as a kube-apiserver does.
#[derive(Debug, Parser)]
struct Arguments {
    /// Audit logs, one event a line.
    files: Vec<PathBuf>,
    /// The webhook.
    #[arg(long, default_value = "http://127.0.0.1:8765/k8s_audit")]
    url: String,
    /// Make so many events instead of reading files.
    #[arg(long, default_value_t = 0)]
    generate: usize,
    /// The seed of `--generate`.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Most events of a list.
    #[arg(long, default_value_t = 400)]
    batch: usize,
    /// Lists on their way at once.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Most events a second; 0 for as fast as they are taken.
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// How often a list is tried before it is given up.
    #[arg(long, default_value_t = 5)]
    tries: u32,
}

/// What became of the lists.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: usize,
    dropped: usize,
    refusals: usize,
    latencies: Vec<Duration>,
}

struct List {
    events: usize,
    body: Bytes,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let lists = Arc::new(Mutex::new(lists(&arguments)?));
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(30))
        .build()?;
    let start = Instant::now();
    let mut senders = Vec::new();
    for _ in 0..arguments.connections {
        senders.push(tokio::spawn(send_all(
            client.clone(),
            arguments.url.clone(),
            Arc::clone(&lists),
            Pace::new(&arguments),
        )));
    }
    let mut tally = Tally::default();
    for sender in senders {
        tally.add(sender.await?);
    }
    tally.print(start.elapsed());
    anyhow::ensure!(
        tally.dropped == 0,
        "{} events were never acknowledged",
        tally.dropped
    );
    Ok(())
}

/// How fast one sender may go, and how often it tries.
#[derive(Clone, Copy)]
struct Pace {
    tries: u32,
    interval: Option<Duration>,
}

impl Pace {
    fn new(arguments: &Arguments) -> Self {
        let lists_a_second =
            arguments.rate as f64 / arguments.batch as f64 / arguments.connections as f64;
        let interval = (arguments.rate > 0).then(|| Duration::from_secs_f64(1.0 / lists_a_second));
        Self {
            tries: arguments.tries,
            interval,
        }
    }
}

fn lists(arguments: &Arguments) -> anyhow::Result<VecDeque<List>> {
    let mut events: Vec<String> = Vec::new();
    for file in &arguments.files {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        events.extend(
            text.lines()
                .filter(|line| !line.trim().is_empty())
                .map(str::to_owned),
        );
    }
    let mut generator = Generator::new(arguments.seed);
    events.extend((0..arguments.generate).map(|_| generator.event()));
    let list = |chunk: &[String]| {
        let items = chunk.join(",");
        let body = format!(
            r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":[{items}]}}"#
        );
        List {
            events: chunk.len(),
            body: body.into(),
        }
    };
    Ok(events.chunks(arguments.batch.max(1)).map(list).collect())
}

async fn send_all(
    client: reqwest::Client,
    url: String,
    lists: Arc<Mutex<VecDeque<List>>>,
    pace: Pace,
) -> Tally {
    let mut tally = Tally::default();
    let mut due = Instant::now();
    loop {
        let Some(list) = lists.lock().await.pop_front() else {
            return tally;
        };
        if let Some(interval) = pace.interval {
            tokio::time::sleep_until(due.into()).await;
            due += interval;
        }
        let asked = Instant::now();
        if send(&client, &url, &list, pace.tries, &mut tally.refusals).await {
            tally.acknowledged += list.events;
            tally.latencies.push(asked.elapsed());
        } else {
            tally.dropped += list.events;
        }
    }
}

async fn send(
    client: &reqwest::Client,
    url: &str,
    list: &List,
    tries: u32,
    refusals: &mut usize,
) -> bool {
    for attempt in 0..tries {
        let request = client
            .post(url)
            .query(&[("timeout", "30s")])
            .header(CONTENT_TYPE, "application/json");
        let wait = match request.body(list.body.clone()).send().await {
            Ok(answer) if answer.status().is_success() => return true,
            Ok(answer) => answer
                .headers()
                .get(RETRY_AFTER)
                .and_then(|wait| wait.to_str().ok()?.parse().ok()),
            Err(_) => None,
        };
        *refusals += 1;
        tokio::time::sleep(Duration::from_secs(wait.unwrap_or(1 << attempt.min(4)))).await;
    }
    false
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.dropped += other.dropped;
        self.refusals += other.refusals;
        self.latencies.extend(other.latencies);
    }

    #[expect(clippy::print_stdout, reason = "the program's result")]
    fn print(&mut self, elapsed: Duration) {
        self.latencies.sort();
        let percentile = |share: f64| {
            let at = (self.latencies.len() as f64 * share) as usize;
            self.latencies
                .get(at.min(self.latencies.len().saturating_sub(1)))
                .copied()
                .unwrap_or_default()
        };
        let rate = self.acknowledged as f64 / elapsed.as_secs_f64();
        println!(
            "{} events acknowledged in {:.2} s ({rate:.0} a second); answers took {:.1?} (median), {:.1?} (p99); {} refusals; {} events given up",
            self.acknowledged,
            elapsed.as_secs_f64(),
            percentile(0.5),
            percentile(0.99),
            self.refusals,
            self.dropped
        );
    }
}
