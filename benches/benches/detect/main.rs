//! The reader and the matcher against yardsticks, on the same bytes, in the same run.
//!
//! The contestants take turns, so that a machine whose speed drifts treats them alike. Time is that of the thread on a processor; each
//! figure is the median of the rounds, each ratio the median of the rounds' ratios. `cargo bench -p kubevigil-bench -- NAME` runs those whose name contains NAME.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and may stop"
)]

mod correlations;
mod readers;
mod rule_sets;

use std::hint::black_box;
use std::sync::Arc;

use kubevigil_bench::Generator;
use kubevigil_detect::{Matcher, Position, RuleMatching, Scratch};
use kubevigil_rules::Rule;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Events of a round, and rounds.
const EVENTS: usize = 50_000;
const ROUNDS: usize = 7;

/// Reads every event once.
type Run = Box<dyn FnMut(&[Vec<u8>]) -> u64>;

/// Something that reads every event once and says what it saw, so that nothing is optimised away.
struct Contestant {
    name: String,
    run: Run,
}

fn main() {
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .unwrap_or_default();
    let mut generator = Generator::new(1);
    let events: Vec<Vec<u8>> = (0..EVENTS)
        .map(|_| generator.event().into_bytes())
        .collect();
    let bytes: usize = events.iter().map(Vec::len).sum();
    println!(
        "{EVENTS} events, {} bytes in the mean, {ROUNDS} rounds\n",
        bytes / EVENTS
    );
    let mut contestants = contestants(&wanted);
    let mut seconds = vec![Vec::new(); contestants.len()];
    for round in 0..=ROUNDS {
        for (contestant, seconds) in contestants.iter_mut().zip(&mut seconds) {
            let start = cpu_nanoseconds();
            black_box((contestant.run)(&events));
            // The first round warms up.
            if round > 0 {
                seconds.push((cpu_nanoseconds() - start) as f64 / 1e9);
            }
        }
    }
    print(&contestants, &seconds, bytes);
    println!("\npeak memory of the whole run: {} MiB", peak_kib() / 1024);
}

/// Those whose name contains `wanted`; rules are loaded only for them.
fn contestants(wanted: &str) -> Vec<Contestant> {
    let mut all: Vec<Contestant> = readers::all()
        .into_iter()
        .filter(|reader| reader.name.contains(wanted))
        .collect();
    let mut detect = |name: &str, rules: &dyn Fn() -> Option<Vec<Arc<Rule>>>, matching| {
        let name = format!("detect: {name}");
        if let Some(rules) = name.contains(wanted).then(rules).flatten() {
            let label = format!("{name} ({} rules)", rules.len());
            all.push(Contestant {
                name: label,
                run: detector(&rules, matching),
            });
        }
    };
    detect("no rules", &|| Some(Vec::new()), RuleMatching::All);
    detect(
        "default rules",
        &|| Some(rule_sets::default_rules()),
        RuleMatching::All,
    );
    detect(
        "default rules on one event",
        &|| {
            let rules = rule_sets::default_rules().into_iter();
            Some(rules.filter(|rule| rule.correlation().is_none()).collect())
        },
        RuleMatching::All,
    );
    detect(
        "k8s_audit_rules.yaml, first",
        &rule_sets::falco_rules,
        RuleMatching::First,
    );
    detect(
        "k8s_audit_rules.yaml, all",
        &rule_sets::falco_rules,
        RuleMatching::All,
    );
    detect(
        "SigmaHQ's rules",
        &rule_sets::sigmahq_rules,
        RuleMatching::All,
    );
    for count in [100, 1_000, 10_000] {
        detect(
            &format!("synthetic {count}"),
            &|| Some(rule_sets::synthetic(count)),
            RuleMatching::All,
        );
        detect(
            &format!("synthetic Sigma {count}"),
            &|| Some(rule_sets::synthetic_sigma(count)),
            RuleMatching::All,
        );
    }
    all.extend(correlations::all(wanted));
    all
}

fn detector(rules: &[Arc<Rule>], matching: RuleMatching) -> Run {
    let matcher = Matcher::compile(rules, matching).expect("the rules compile");
    let mut scratch = Scratch::default();
    Box::new(move |events| {
        let mut matches = 0;
        for (number, event) in events.iter().enumerate() {
            let position = Position {
                number: number as u64 + 1,
                ..Position::default()
            };
            matches += matcher
                .detect(event, &position, &mut scratch)
                .unwrap()
                .list
                .len() as u64;
        }
        matches
    })
}

fn print(contestants: &[Contestant], seconds: &[Vec<f64>], bytes: usize) {
    let yardstick = contestants
        .iter()
        .position(|contestant| contestant.name.starts_with("yardstick: fastest"));
    println!(
        "{:<52} {:>12} {:>9} {:>9} {:>10}",
        "", "events/s", "MB/s", "ns/event", "yardstick"
    );
    for (contestant, rounds) in contestants.iter().zip(seconds) {
        let median = median(rounds);
        let ratio = yardstick.and_then(|at| seconds.get(at)).map(|yardstick| {
            let ratios: Vec<f64> = yardstick
                .iter()
                .zip(rounds)
                .map(|(yardstick, own)| yardstick / own)
                .collect();
            self::median(&ratios)
        });
        println!(
            "{:<52} {:>12.0} {:>9.0} {:>9.0} {:>10}",
            contestant.name,
            EVENTS as f64 / median,
            bytes as f64 / median / 1e6,
            median / EVENTS as f64 * 1e9,
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.2} x")),
        );
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// How long this thread has been on a processor, from the kernel: on a machine with other work, waiting is not counted.
fn cpu_nanoseconds() -> u64 {
    let statistics =
        std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts scheduling");
    statistics
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .expect("the first word is nanoseconds")
}

/// The most memory that the process ever had, from the kernel.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}
