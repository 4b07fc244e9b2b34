//! Whatever text a condition or an output is made of, reading it ends well.

#[path = "reference/mod.rs"]
mod reference;

use kubevigil_audit::time::Timestamp;
use kubevigil_rules::EventContext;
use kubevigil_rules::falco::condition::{CompileOptions, compile, parse};
use kubevigil_rules::falco::fields::FieldOptions;
use kubevigil_rules::falco::output::compile_output;
use proptest::prelude::*;

const POD: &str = r#"{"auditID":"x","verb":"create","user":{"username":"alice","groups":["dev"]},
    "requestObject":{"spec":{"containers":[{"image":"nginx:1"}]}}}"#;

fn event(raw: &str) -> EventContext<'_> {
    let time = Timestamp {
        nanoseconds: 1_700_000_000_123_456_789,
    };
    EventContext {
        raw: raw.as_bytes(),
        number: 7,
        time,
        first_time: time,
    }
}

/// Texts that are mostly made of the grammar's own words.
fn condition_like() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        " and ",
        " or ",
        "not ",
        "not(",
        "(",
        ")",
        ",",
        " ",
        "=",
        "!=",
        "<=",
        ">",
        " in ",
        "in",
        " exists",
        " contains ",
        " regex ",
        " glob ",
        " pmatch ",
        " oneof ",
        " allof ",
        "ka.verb",
        "ka.user.groups",
        "evt.num",
        "ka.uri.param[x]",
        "jevt.value[/a/0]",
        "val(",
        "tolower(",
        "join(",
        "concat(",
        "getopt(",
        "len(",
        "'a b'",
        "\"\\x41\"",
        "'",
        "\"",
        "[",
        "]",
        "5",
        "0x1f",
        "abc",
        "<NA>",
        "*",
        "\\",
        "é",
        "\u{0}",
        "%",
    ];
    prop::collection::vec(prop::sample::select(WORDS), 0..24).prop_map(|words| words.concat())
}

/// Conditions that read, and often compile.
fn condition() -> impl Strategy<Value = String> {
    let left = prop::sample::select(LEFTS);
    let operator = prop::sample::select(OPERATORS);
    let right = prop::sample::select(RIGHTS);
    let check = (left, operator, right).prop_map(|(left, operator, right)| match operator {
        "exists" => format!("{left} exists"),
        _ => format!("{left} {operator} {right}"),
    });
    let leaf = prop_oneof![9 => check, 1 => prop::sample::select(&["m", "not_x"][..]).prop_map(str::to_owned)];
    leaf.prop_recursive(5, 30, 3, |part| {
        let joined = prop::collection::vec(part.clone(), 2..4);
        prop_oneof![
            joined
                .clone()
                .prop_map(|parts| format!("({})", parts.join(" and "))),
            joined.prop_map(|parts| format!("({})", parts.join(" or "))),
            part.clone().prop_map(|part| format!("not {part}")),
            part.prop_map(|part| format!("not({part})")),
        ]
    })
}

const LEFTS: &[&str] = &[
    "ka.verb",
    "ka.user.groups",
    "evt.num",
    "evt.is_async",
    "evt.time",
    "ka.uri.param[\"x\"]",
    "ka.req.pod.containers.image[0]",
    "tolower(ka.user.name)",
    "len(ka.user.groups)",
    "join(\",\", (ka.verb, 'x'))",
    "concat(ka.verb, 5)",
    "getopt(ka.user.groups, 'd:')[d]",
    "basename(toupper(ka.user.groups))",
    "b64(ka.verb)",
    "jevt.value[/user/groups/0]",
];

const OPERATORS: &[&str] = &[
    "=",
    "==",
    "!=",
    "<",
    ">=",
    "exists",
    "contains",
    "icontains",
    "bcontains",
    "startswith",
    "endswith",
    "glob",
    "iglob",
    "regex",
    "in",
    "intersects",
    "pmatch",
    "= anyof",
    "!= allof",
    "startswith oneof",
    "regex anyof",
];

const RIGHTS: &[&str] = &[
    "create",
    "5",
    "'a b'",
    "'\\x00\\xff'",
    "(dev, \"\", 'x, y')",
    "()",
    "(5)",
    "true",
    "\"[a-z]*\"",
    "'[[:alpha:]'",
    "<NA>",
    "ka.verb",
    "val(ka.verb)",
    "val(ka.user.groups)",
    "toupper('dev')",
    "/etc",
    "(/*/x, /)",
    "oneof",
    "len(ka.verb)",
];

proptest! {
    #[test]
    fn reading_a_condition_never_panics(text in any::<String>()) {
        let _ = parse(&text);
        let _ = compile_output(&text, &FieldOptions::default());
    }

    #[test]
    fn the_canonical_text_reads_as_the_same_condition(text in prop_oneof![condition(), condition_like()]) {
        if let Ok(ast) = parse(&text) {
            let canonical = ast.to_string();
            let again = parse(&canonical).map_err(|error| {
                TestCaseError::fail(format!("{text:?} became {canonical:?}: {error}"))
            })?;
            prop_assert_eq!(again.to_string(), canonical);
            prop_assert_eq!(again.size(), ast.size());
        }
    }

    #[test]
    fn what_compiles_decides(text in prop_oneof![condition(), condition_like()]) {
        if let Ok(ast) = parse(&text) {
            for tolerant_lists in [false, true] {
                let options = CompileOptions { tolerant_lists, ..CompileOptions::default() };
                if let Ok(compiled) = compile(&ast, &options) {
                    reference::holds(&compiled.condition, &event(POD));
                }
            }
        }
    }

    #[test]
    fn an_error_lies_within_the_text(text in condition_like()) {
        if let Err(error) = parse(&text) {
            prop_assert!(error.offset <= text.len());
            prop_assert!(text.is_char_boundary(error.offset));
        }
    }

    #[test]
    fn an_output_either_fails_or_renders(text in condition_like().prop_map(|text| text.replace(' ', "%"))) {
        if let Ok(output) = compile_output(&text, &FieldOptions::default()) {
            reference::rendered(&output.template, &event(POD));
        }
    }
}
