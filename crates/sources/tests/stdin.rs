//! Events from standard input.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

mod intake;

use std::io::{Cursor, Write};
use std::sync::Arc;

use intake::Collector;
use kubevigil_sources::Origin;
use kubevigil_sources::file::Limits;
use kubevigil_sources::stdin::Stdin;
use tokio_util::sync::CancellationToken;

fn event(number: usize) -> String {
    format!("{{\"auditID\":\"{number}\",\"stage\":\"Panic\"}}\n")
}

#[tokio::test]
async fn every_line_arrives_with_its_number_and_the_end_is_the_end() {
    let text = format!("{}\nbroken\n{}{}", event(0), event(1), event(2).trim_end());
    let collector = Arc::new(Collector::default());
    let stdin = Stdin::new(Limits::default());
    let counters = stdin.counters();
    let stream = Box::new(Cursor::new(text));
    stdin
        .read(stream, collector.clone(), CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(
        collector.lines(),
        [(1, "0".into()), (4, "1".into()), (5, "2".into())]
    );
    assert_eq!(collector.batches()[0].origin, Origin::Stdin);
    assert_eq!((counters.events.get(), counters.problems.get()), (3, 1));
}

#[tokio::test]
async fn a_line_is_handed_over_while_the_writer_is_silent() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let collector = Arc::new(Collector::refusing(3));
    let stdin = Stdin::new(Limits::default());
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(stdin.read(Box::new(reader), collector.clone(), shutdown.clone()));
    writer.write_all(event(0).as_bytes()).unwrap();
    collector.wait_for(1).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(collector.lines(), [(1, "0".into())]);
}
