//! The log gets everything, in order, exactly once.

use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use kubevigil_record::backend::{BackendOptions, Mode};
use kubevigil_record::durable::DurableOptions;
use kubevigil_record::event::AuditEvent;
use kubevigil_record::log::LogFormat;
use kubevigil_record::sink::ErrorCounters;
use kubevigil_record::truncate::{TRUNCATED, TruncateOptions};

use crate::{
    DURABLE_LOG, durable, event, log_options, logged, open_log, wait_for, wait_until_delivered,
};

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn files_are_put_aside_while_events_are_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open_log(folder.path());
    for id in numbers(0..40) {
        backend.sink.emit(&[event(&id, 100_000)]).await.unwrap();
    }
    backend.sink.shutdown().await;
    let files = logged(folder.path(), false);
    assert_eq!(files.len(), 4, "{files:?}");
    let lengths: Vec<usize> = files.values().map(Vec::len).collect();
    assert_eq!(lengths, [10; 4]);
    assert_eq!(
        files.into_values().flatten().collect::<Vec<_>>(),
        numbers(0..40)
    );
}

#[tokio::test]
async fn many_requests_at_once_are_all_there() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open_log(folder.path());
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let sink = Arc::clone(&backend.sink);
            tokio::spawn(async move {
                for number in 0..10 {
                    let id = format!("{task}-{number}");
                    sink.emit(&[event(&id, 300)]).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    wait_until_delivered(&backend).await;
    let mut ids: Vec<String> = logged(folder.path(), false)
        .into_values()
        .flatten()
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 640);
}

#[tokio::test]
async fn a_file_that_is_moved_away_or_deleted_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open_log(folder.path());
    let path = log_options(folder.path()).path;
    backend.sink.emit(&[event("0", 0)]).await.unwrap();
    wait_until_delivered(&backend).await;
    fs::rename(&path, folder.path().join("log/moved")).unwrap();
    backend.sink.emit(&[event("1", 0)]).await.unwrap();
    wait_until_delivered(&backend).await;
    fs::remove_file(&path).unwrap();
    backend.sink.emit(&[event("2", 0)]).await.unwrap();
    backend.sink.shutdown().await;
    let files = logged(folder.path(), false);
    assert_eq!(
        (&files["moved"], &files["audit.log"]),
        (&numbers(0..1), &numbers(2..3))
    );
}

#[tokio::test]
async fn half_a_line_of_somebody_else_is_ended_before_the_first_event() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("log")).unwrap();
    let mut file = fs::File::create(log_options(folder.path()).path).unwrap();
    file.write_all(b"{\"kind\":").unwrap();
    let backend = open_log(folder.path());
    backend.sink.emit(&[event("0", 0)]).await.unwrap();
    backend.sink.shutdown().await;
    assert_eq!(logged(folder.path(), true)["audit.log"], numbers(0..1));
}

#[tokio::test]
async fn what_the_log_could_never_take_is_kept_without_what_makes_it_so() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open_log(folder.path());
    let bad = |body: String| AuditEvent {
        request_object: Some(body.into()),
        ..AuditEvent::clone(&event("1", 0))
    };
    let large = bad(format!("\"{}\"", "x".repeat(2 << 20)));
    let events = [
        event("0", 2 << 20),
        Arc::new(large),
        Arc::new(bad("a: yaml".to_owned())),
    ];
    backend.sink.emit(&events).await.unwrap();
    backend.sink.shutdown().await;
    let text = fs::read_to_string(log_options(folder.path()).path).unwrap();
    let marked = text
        .lines()
        .filter(|line| line.contains(TRUNCATED) && !line.contains("requestObject"));
    assert_eq!((text.lines().count(), marked.count()), (3, 3));
}

#[tokio::test]
async fn too_much_that_waits_is_refused_until_the_backend_has_caught_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = log_options(folder.path()).path;
    // A folder in the place of the file: nothing can be written.
    let options = DurableOptions {
        max_waiting_bytes: 300_000,
        ..DurableOptions::new(folder.path().join("state"))
    };
    let errors = Arc::new(ErrorCounters::default());
    let backend = DURABLE_LOG()
        .open_log(&log_options(folder.path()), Some(&options), &errors)
        .unwrap();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let mut kept = 0;
    let error = loop {
        match backend.sink.emit(&[event(&kept.to_string(), 3_000)]).await {
            Ok(()) => kept += 1,
            Err(error) => break error.to_string(),
        }
    };
    assert_eq!(
        error,
        "log: more than 300000 bytes of events wait for the backend; find out why it does not take them, or allow more"
    );
    assert!((90..150).contains(&kept), "{kept}");
    assert_eq!(errors.get("log"), 1);
    assert_eq!(durable(&backend).figures().refused, 1);
    fs::remove_dir(&path).unwrap();
    wait_until_delivered(&backend).await;
    let id = kept.to_string();
    backend.sink.emit(&[event(&id, 0)]).await.unwrap();
    backend.sink.shutdown().await;
    assert_eq!(
        logged(folder.path(), false)["audit.log"],
        numbers(0..kept + 1)
    );
}

#[tokio::test]
async fn events_are_cut_down_before_they_are_kept_as_far_as_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let options = BackendOptions {
        truncates: true,
        truncate: TruncateOptions {
            max_event_size: 1_000,
            max_batch_size: 10_000,
        },
        ..DURABLE_LOG()
    };
    let durable = DurableOptions::new(folder.path().join("state"));
    let errors = Arc::new(ErrorCounters::default());
    let log = log_options(folder.path());
    let backend = options.open_log(&log, Some(&durable), &errors).unwrap();
    assert_eq!(backend.sink.name(), "truncate<durable<log>>");
    let mut large = AuditEvent::clone(&event("0", 0));
    large.level = kubevigil_audit::event::Level::Request;
    large.request_object = Some(format!("[{}0]", "0,".repeat(1_000)).into());
    backend.sink.emit(&[Arc::new(large)]).await.unwrap();
    backend.sink.emit(&[event("1", 5_000)]).await.unwrap();
    assert_eq!(errors.get("truncate"), 0);
    backend.sink.shutdown().await;
    let text = fs::read_to_string(&log.path).unwrap();
    let marked = text.lines().filter(|line| line.contains(TRUNCATED));
    assert_eq!((text.lines().count(), marked.count()), (2, 2), "{text}");
}

#[tokio::test]
async fn lines_of_the_old_format_are_kept_too() {
    let folder = tempfile::tempdir().unwrap();
    let durable = DurableOptions::new(folder.path().join("state"));
    let log = kubevigil_record::log::LogOptions {
        format: LogFormat::Legacy,
        ..log_options(folder.path())
    };
    let backend = DURABLE_LOG()
        .open_log(&log, Some(&durable), &Arc::default())
        .unwrap();
    backend.sink.emit(&[event("0", 0)]).await.unwrap();
    wait_for("the line", || {
        let text = fs::read_to_string(&log.path).unwrap();
        text.starts_with("0001-01-01T00:00:00Z AUDIT: id=\"0\"") && text.ends_with('\n')
    })
    .await;
}

#[tokio::test]
async fn a_folder_of_somebody_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    if std::os::unix::fs::chown(&state, Some(1), None).is_err() {
        return eprintln!("skipped: giving a folder away needs root");
    }
    // Who owns the folder could have put a link here.
    let target = folder.path().join("target");
    fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, state.join("reserve")).unwrap();
    let durable = DurableOptions::new(&state);
    let log = log_options(folder.path());
    let opened = DURABLE_LOG().open_log(&log, Some(&durable), &Arc::default());
    let error = opened.err().unwrap().to_string();
    assert!(
        error.contains("belongs to user 1, and this is user 0"),
        "{error}"
    );
    assert_eq!(durable.check().unwrap_err().to_string(), error);
    assert_eq!(fs::read_to_string(target).unwrap(), "precious");
}

#[tokio::test]
async fn without_a_folder_the_mode_cannot_be_had() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Mode::parse("durable"), Some(Mode::Durable));
    let opened = DURABLE_LOG().open_log(&log_options(folder.path()), None, &Arc::default());
    assert_eq!(
        opened.err().unwrap().to_string(),
        "mode `durable` needs a folder of its own for the events that wait"
    );
    // What is in use already is not shared.
    let _first = open_log(folder.path());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let durable = DurableOptions::new(folder.path().join("state"));
    let log = log_options(folder.path());
    let error = DURABLE_LOG().open_log(&log, Some(&durable), &Arc::default());
    assert!(error.err().unwrap().to_string().contains("in use"));
}
