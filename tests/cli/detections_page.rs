//! The page about every default rule (`docs/detections/rules.md`), written from the rules themselves.
//!
//! `UPDATE_DOCS=1 cargo test -p kubevigil --test cli` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use kubevigil_yaml::Node;
use serde_json::Value;

use crate::detections::{RULES, raises, strings, text};

const PAGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/detections/rules.md"
);
const OVERVIEW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/detections.md");
const NOT_COVERED: &str = "not-covered.yaml";
const IN_PART: &str = "in-part.yaml";

/// The numbers of our survey: letter and how many there are.
const SURVEY: [(char, usize); 7] = [
    ('A', 14),
    ('B', 21),
    ('C', 11),
    ('D', 17),
    ('E', 18),
    ('F', 18),
    ('U', 48),
];

const HEAD: &str = "# Every default rule

This page is made of the rules ([`detections/`](../../detections)) by `UPDATE_DOCS=1 cargo test -p kubevigil --test cli`. What they have in common, and
how to change them, is in [detections.md](../detections.md).

Levels are Sigma's; as priorities of alerts they are Informational, Notice, Warning, Error and Critical. A rule takes part in its profile and in the louder
ones. The audit level is the least at which a rule can see what it asks for.
";

#[test]
fn the_page_of_the_default_rules_is_the_one_that_is_made_of_them() {
    write_or_compare(Path::new(PAGE), &page());
}

#[test]
fn the_numbers_on_the_page_about_default_rules_are_those_of_the_rules() {
    let page = fs::read_to_string(OVERVIEW).unwrap();
    write_or_compare(
        Path::new(OVERVIEW),
        &replace_part(&page, "numbers", &numbers()),
    );
}

/// Writes a page when documents are to be written anew, and compares it otherwise.
pub(crate) fn write_or_compare(path: &Path, page: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, page).unwrap();
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page,
        "{} is stale; run the tests with UPDATE_DOCS=1",
        path.display()
    );
}

/// The page with another text between `<!-- NAME -->` and `<!-- end of NAME -->`.
pub(crate) fn replace_part(page: &str, name: &str, text: &str) -> String {
    let (start, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let (before, rest) = page.split_once(&start).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{start}\n{text}\n{end}{after}")
}

/// How many rules there are of each tactic in each profile.
fn numbers() -> String {
    let rules: Vec<&Value> = RULES.iter().filter(|rule| raises(rule)).collect();
    let counts = |rules: &[&Value]| {
        let of = |profiles: &[&str]| {
            let part = |rule: &&&Value| profiles.contains(&text(rule, "profile"));
            rules.iter().filter(part).count()
        };
        let correlations = rules
            .iter()
            .filter(|rule| rule["kind"] == "correlation")
            .count();
        let (quiet, standard) = (of(&["quiet"]), of(&["quiet", "standard"]));
        format!("{quiet} | {standard} | {} | {correlations} |", rules.len())
    };
    let mut table = "| tactic | quiet | standard | paranoid | of these, correlations |\n|---|---|---|---|---|\n".to_owned();
    for (tactic, rules) in by_tactic(&rules) {
        let name = sentence_case(tactic);
        writeln!(
            table,
            "| [{name}](detections/rules.md#{tactic}) | {}",
            counts(&rules)
        )
        .unwrap();
    }
    writeln!(table, "| all | {}", counts(&rules)).unwrap();
    table
}

#[test]
fn every_number_of_the_survey_is_covered_or_has_a_reason() {
    let (covered, reasons) = (covered(), remarks(NOT_COVERED));
    let in_part = remarks(IN_PART);
    let unfounded: Vec<&String> = in_part
        .keys()
        .filter(|id| !covered.contains_key(id.as_str()))
        .collect();
    assert!(
        unfounded.is_empty(),
        "said to be covered in part: {unfounded:?}"
    );
    let wrong: Vec<String> = survey()
        .into_iter()
        .filter(|id| covered.contains_key(id.as_str()) == reasons.contains_key(id))
        .collect();
    assert!(
        wrong.is_empty(),
        "neither covered nor argued, or both: {wrong:?}"
    );
    let known: BTreeSet<String> = survey().into_iter().collect();
    let ids = covered
        .keys()
        .map(|id| (*id).to_owned())
        .chain(reasons.keys().cloned());
    let unknown: Vec<String> = ids.filter(|id| !known.contains(id)).collect();
    assert!(unknown.is_empty(), "no numbers of the survey: {unknown:?}");
}

fn page() -> String {
    let rules: Vec<&Value> = RULES.iter().filter(|rule| raises(rule)).collect();
    let mut page = HEAD.to_owned();
    for (tactic, rules) in by_tactic(&rules) {
        write!(page, "\n## {}\n\n| rule | level | profile | technique | audit level |\n|---|---|---|---|---|\n", sentence_case(tactic)).unwrap();
        for rule in &rules {
            page.push_str(&row(rule));
        }
        for rule in &rules {
            page.push_str(&section(rule));
        }
    }
    page.push_str(&survey_section());
    page
}

fn by_tactic<'v>(rules: &[&'v Value]) -> BTreeMap<&'v str, Vec<&'v Value>> {
    let mut tactics: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for rule in rules {
        let (_, path) = text(rule, "file").split_once("detections/").unwrap();
        tactics
            .entry(path.split('/').next().unwrap())
            .or_default()
            .push(rule);
    }
    tactics
}

fn row(rule: &Value) -> String {
    let title = text(rule, "rule");
    format!(
        "| [{title}](#{}) | {} | {} | {} | {} |\n",
        anchor(title),
        level(rule),
        text(rule, "profile"),
        techniques(rule).join(", "),
        text(rule, "level")
    )
}

fn section(rule: &Value) -> String {
    let note = |key: &str| strings(&rule["notes"][key]);
    let mut section = format!(
        "\n### {}\n\n{}\n\n",
        text(rule, "rule"),
        prose(text(rule, "description"))
    );
    if rule["kind"] == "correlation" {
        let counted: Vec<String> = strings(&rule["correlation"]["rules"])
            .iter()
            .map(|rule| format!("\"{rule}\""))
            .collect();
        writeln!(
            section,
            "Counts {}: `{}`.\n",
            counted.join(" and "),
            text(rule, "condition")
        )
        .unwrap();
    }
    for (heading, key) in [("False positives", "falsepositives"), ("Tuning", "tuning")] {
        let texts = note(key);
        if !texts.is_empty() {
            writeln!(section, "**{heading}**\n").unwrap();
            texts.iter().for_each(|text| section.push_str(&item(text)));
            section.push('\n');
        }
    }
    let covers = note("covers");
    let covers = if covers.is_empty() {
        String::new()
    } else {
        format!(" Survey: {}.", covers.join(", "))
    };
    writeln!(
        section,
        "Name `{}`, id `{}`. Level {}, profile {}, audit level {}. {}.{covers}",
        text(rule, "name"),
        text(rule, "id"),
        level(rule),
        text(rule, "profile"),
        text(rule, "level"),
        techniques(rule).join(", "),
    )
    .unwrap();
    section
}

/// A text as an item of a list; a rule file in it as a block of its own.
fn item(text: &str) -> String {
    let start = text
        .lines()
        .position(|line| line.trim_start().starts_with("title:"));
    let lines: Vec<&str> = text.lines().collect();
    let (sentences, document) = lines.split_at(start.unwrap_or(lines.len()));
    let sentences = sentences.join(" ");
    let sentences = match sentences.trim() {
        "" => "For example:".to_owned(),
        sentences => prose(sentences),
    };
    let mut item = format!("- {sentences}\n");
    if let Some(first) = document.first() {
        let indent = first.len() - first.trim_start().len();
        item.push_str("\n  ```yaml\n");
        for line in document {
            let line = format!("  {}", line.get(indent..).unwrap_or_default());
            writeln!(item, "{}", line.trim_end()).unwrap();
        }
        item.push_str("  ```\n");
    }
    item
}

/// A text of ours in Markdown: what is no code stands as it is written, stars and angle brackets included.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| match at % 2 {
        0 => part
            .replace('*', "\\*")
            .replace('<', "\\<")
            .replace('|', "\\|"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("`")
}

fn survey_section() -> String {
    let mut section = "\n## By the numbers of our survey\n\nA to F are the detections of public rule sets, each once; U are ideas that none of them has.\n\n\
                       | number | rules |\n|---|---|\n"
        .to_owned();
    for (id, rules) in covered() {
        let links: Vec<String> = rules
            .iter()
            .map(|title| format!("[{title}](#{})", anchor(title)))
            .collect();
        writeln!(section, "| {id} | {} |", links.join(", ")).unwrap();
    }
    section.push_str(
        "\nCovered in another form, or in part:\n\n| number | what is different |\n|---|---|\n",
    );
    for (id, remark) in remarks(IN_PART) {
        writeln!(section, "| {id} | {} |", prose(&remark)).unwrap();
    }
    section.push_str("\nNot covered:\n\n| number | why not |\n|---|---|\n");
    for (id, reason) in remarks(NOT_COVERED) {
        writeln!(section, "| {id} | {} |", prose(&reason)).unwrap();
    }
    section
}

/// The titles of the rules that cover a number.
fn covered() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut covered: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for rule in RULES.iter().filter(|rule| raises(rule)) {
        for id in strings(&rule["notes"]["covers"]) {
            covered.entry(id).or_default().push(text(rule, "rule"));
        }
    }
    covered
}

/// What is written by hand about numbers.
fn remarks(file: &str) -> BTreeMap<String, String> {
    let folder = Path::new(PAGE).parent().unwrap();
    let text = fs::read_to_string(folder.join(file)).unwrap();
    let documents = kubevigil_yaml::parse(&text).unwrap();
    let pairs = documents[0].root.pairs().unwrap_or_default().iter();
    let pair = |(id, remark): &(Node, Node)| {
        let [id, remark] = [id, remark].map(|node| node.text().unwrap().trim().to_owned());
        (id, remark)
    };
    pairs.map(pair).collect()
}

fn survey() -> Vec<String> {
    SURVEY
        .iter()
        .flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}{number:02}")))
        .collect()
}

fn techniques(rule: &Value) -> Vec<String> {
    let tags = strings(&rule["tags"]);
    let attack = tags.iter().filter_map(|tag| tag.strip_prefix("attack.t1"));
    let attack = attack.map(|rest| {
        format!(
            "[T1{rest}](https://attack.mitre.org/techniques/T1{}/)",
            rest.replace('.', "/")
        )
    });
    let microsoft = tags
        .iter()
        .filter_map(|tag| tag.strip_prefix("ms.ta"))
        .map(|id| format!("MS-TA{id}"));
    attack.chain(microsoft).collect()
}

/// Sigma's word.
fn level(rule: &Value) -> &'static str {
    const LEVELS: [(&str, &str); 5] = [
        ("Informational", "informational"),
        ("Notice", "low"),
        ("Warning", "medium"),
        ("Error", "high"),
        ("Critical", "critical"),
    ];
    let priority = text(rule, "priority");
    let level = LEVELS.iter().find(|(known, _)| *known == priority);
    level.map(|(_, level)| *level).unwrap()
}

/// What a heading is called in links, as hosts of repositories make it.
fn anchor(title: &str) -> String {
    let kept = title
        .chars()
        .filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn sentence_case(slug: &str) -> String {
    let words = slug.replace('-', " ");
    let (first, rest) = words.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}
