//! Conditions, fields and outputs of Falco's language, as one who writes rules sees them.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "reference/mod.rs"]
mod reference;

use std::collections::BTreeMap;
use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use kubevigil_rules::falco::condition::{
    Ast, CompileOptions, MAX_DEPTH, MAX_SIZE, OperatorShape, Problem, ProblemClass, TooBig,
    Warning, compile, is_operator, parse,
};
use kubevigil_rules::falco::fields::{FieldOptions, resolve};
use kubevigil_rules::falco::output::compile_output;
use kubevigil_rules::{EventContext, Field};

const POD: &str = r#"{"auditID":"x","verb":"create","sourceIPs":["10.0.0.1","10.0.0.2"],
    "user":{"username":"alice","groups":["dev"]},
    "objectRef":{"resource":"pods","name":"web"},
    "requestObject":{"spec":{
        "securityContext":{"runAsUser":1000},
        "containers":[
            {"name":"a","image":"nginx:1","securityContext":{"capabilities":{"add":["NET_ADMIN","SYS_ADMIN"]}}},
            {"name":"b","image":"redis@sha256:1","securityContext":{"runAsUser":0}}],
        "volumes":[{"name":"v","hostPath":{"path":"/etc"}}]}}}"#;

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

fn holds_with(condition: &str, options: &CompileOptions) -> bool {
    let compiled = compile(&parse(condition).unwrap(), options).unwrap();
    reference::holds(&compiled.condition, &event(POD))
}

fn holds(condition: &str) -> bool {
    holds_with(condition, &CompileOptions::default())
}

fn problems(condition: &str) -> Vec<Problem> {
    compile(&parse(condition).unwrap(), &CompileOptions::default()).unwrap_err()
}

fn warnings(condition: &str) -> Vec<Warning> {
    compile(&parse(condition).unwrap(), &CompileOptions::default())
        .unwrap()
        .warnings
}

fn values(field: &Field) -> String {
    let values = reference::field_values(field, &event(POD));
    String::from_utf8(reference::printed(&values)).unwrap()
}

fn substituted(text: &str, macros: &[(&str, &str)]) -> Ast {
    let macros: BTreeMap<_, _> = macros
        .iter()
        .map(|(name, text)| (*name, Arc::new(parse(text).unwrap())))
        .collect();
    parse(text)
        .unwrap()
        .substitute(&|name| macros.get(name).cloned())
        .unwrap()
}

#[test]
fn the_canonical_text_has_parentheses_where_parts_are_joined() {
    let cases = [
        ("ka.verb=create", "ka.verb = create"),
        ("ka.verb==create", "ka.verb == create"),
        ("ka.verb increate", "ka.verb in create"),
        ("a and b or c", "((a and b) or c)"),
        ("not(a or b)", "not (a or b)"),
        ("not not not a", "not a"),
        ("not (not a)", "not(not a)"),
        (
            "ka.verb in('x',\"two words\" , '')",
            "ka.verb in (x, \"two words\", \"\")",
        ),
        ("ka.uri.param['a']  exists", "ka.uri.param[a] exists"),
        (
            "ka.verb startswith\tanyof (a,b)",
            "ka.verb startswith anyof (a, b)",
        ),
        ("ka.verb = oneof", "ka.verb = \"oneof\""),
        ("ka.verb = val( ka.uri )", "ka.verb = val(ka.uri)"),
        (
            "join( \"-\" , (ka.verb,'x') )!=tolower(ka.uri)",
            "join(\"-\", (ka.verb, \"x\")) != tolower(ka.uri)",
        ),
        ("ka.verb = '\\x00\\xff\\n'", "ka.verb = \"\\x00\\xff\\n\""),
        (
            "getopt(ka.user.groups,'a:')[a] exists",
            "getopt(ka.user.groups, \"a:\")[a] exists",
        ),
    ];
    for (text, canonical) in cases {
        assert_eq!(parse(text).unwrap().to_string(), canonical, "{text}");
    }
}

#[test]
fn a_macro_is_put_in_as_one_part_and_remembers_where_it_came_from() {
    let ast = substituted("ka.stage = x and m", &[("m", "ka.verb = a or ka.nope = b")]);
    assert_eq!(
        ast.to_string(),
        "(ka.stage = x and (ka.verb = a or ka.nope = b))"
    );
    let problems = compile(&ast, &CompileOptions::default()).unwrap_err();
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}")
    };
    assert_eq!(problem.place.span, 17..18);
    let within = problem.place.within.as_ref().unwrap();
    assert_eq!((within.name.as_ref(), within.span.clone()), ("m", 15..22));
}

#[test]
fn an_unknown_macro_stays_and_is_a_mistake() {
    let ast = substituted("m or n", &[("m", "ka.verb exists")]);
    let names: Vec<_> = ast
        .macros()
        .iter()
        .map(|found| found.name.to_owned())
        .collect();
    assert_eq!(names, ["n"]);
    assert_eq!(problems("n").first().unwrap().class, ProblemClass::Macro);
}

#[test]
fn macros_cannot_make_a_condition_too_deep_or_too_large() {
    let grow = |text: &str, times: usize| {
        let mut grown = Arc::new(parse("ka.verb exists").unwrap());
        let ast = parse(text).unwrap();
        for _ in 0..times {
            grown = Arc::new(ast.substitute(&|_| Some(Arc::clone(&grown)))?);
        }
        Ok::<_, TooBig>(grown)
    };
    assert!(grow("m or not m", 30).unwrap_err().size > MAX_SIZE);
    assert!(grow("not m", MAX_DEPTH).unwrap_err().depth > MAX_DEPTH);
    assert_eq!(grow("not m", MAX_DEPTH - 1).unwrap().depth(), MAX_DEPTH);
}

#[test]
fn deep_nesting_is_refused_and_what_is_accepted_can_be_walked() {
    let nested = |open: &str, depth: usize| {
        parse(&format!(
            "{}ka.verb=x{}",
            open.repeat(depth),
            ")".repeat(depth)
        ))
    };
    assert!(nested("(", 198).is_ok());
    assert!(nested("(", 199).unwrap_err().message.contains("too deeply"));
    let ast = nested("not(", 200).unwrap();
    assert!(compile(&ast, &CompileOptions::default()).is_ok());
    assert_eq!(
        parse(&ast.to_string()).unwrap().to_string(),
        ast.to_string()
    );
    assert!(nested("(", 1_000_000).is_err());
    assert!(parse(&"tolower(".repeat(1_000_000)).is_err());
}

#[test]
fn all_mistakes_of_a_condition_are_reported() {
    let found = problems(
        "ka.vreb = x or ka.user.groups = y or ka.uri.param = z or evt.num = a \
         or ka.verb regex '\\\\d' or ka.verb = val(evt.num) or len(evt.num) = 1 or m",
    );
    let classes: Vec<_> = found.iter().map(|problem| problem.class.as_str()).collect();
    let expected = [
        "unknown_field",
        "operator_type",
        "field_arg",
        "bad_value",
        "bad_value",
        "rhs_field",
        "transformer",
        "macro",
    ];
    assert_eq!(classes, expected);
    assert_eq!(
        found.first().unwrap().help.as_deref(),
        Some("did you mean `ka.verb`?")
    );
    assert_eq!(found.first().unwrap().place.span, 0..7);
}

#[test]
fn odd_comparisons_are_warned_of() {
    let codes = |condition| {
        warnings(condition)
            .iter()
            .map(|warning| warning.code)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        codes("ka.verb = \"<NA>\" and ka.uri in (\"<NA>\")"),
        ["LOAD_UNSAFE_NA_CHECK"]
    );
    assert_eq!(
        codes("tolower(jevt.value[/x]) != \"<NA>\""),
        ["LOAD_UNSAFE_NA_CHECK"]
    );
    assert_eq!(
        codes("json.value[/x] = \"<NA>\" or ka.verb contains \"<NA>\""),
        Vec::<&str>::new()
    );
    assert_eq!(codes("ka.verb in (ka.uri, x)"), ["LOAD_COMPILE_CONDITION"]);
    assert_eq!(
        codes("ka.verb = \"tolower( ka.uri )\""),
        ["LOAD_COMPILE_CONDITION"]
    );
    assert_eq!(
        codes("ka.verb in (ka.uri.param, a.b, ka.uri[x])"),
        Vec::<&str>::new()
    );
    assert_eq!(codes("ka.verb regex '^abc.*'"), ["LOAD_COMPILE_CONDITION"]);
}

#[test]
fn operators_of_single_texts_can_be_tolerated_behind_lists_of_one_element() {
    let options = CompileOptions {
        tolerant_lists: true,
        ..CompileOptions::default()
    };
    assert!(holds_with("ka.user.groups contains e", &options));
    assert!(!holds_with("ka.user.groups contains x", &options));
    assert!(holds_with("ka.user.groups != ops", &options));
    assert!(!holds_with("ka.req.pod.containers.name != ops", &options));
    let compiled = compile(&parse("ka.user.groups = dev").unwrap(), &options).unwrap();
    assert_eq!(compiled.warnings.len(), 1);
}

#[test]
fn a_modified_operator_without_elements_is_false() {
    for modifier in ["oneof", "anyof", "allof"] {
        assert!(!holds(&format!("ka.verb = {modifier} ()")));
        assert!(holds(&format!("ka.verb = {modifier} create")));
    }
}

#[test]
fn transformed_texts_compare_like_any_others() {
    assert!(holds("toupper(ka.user.groups) in (DEV)"));
    assert!(holds("ka.verb in tolower(ka.verb)"));
    assert!(holds("len(join(\",\", ka.req.pod.containers.name)) = 3"));
    assert!(holds("getopt(ka.user.groups, \"d\") exists") == holds("ka.verb = nope"));
}

#[test]
fn defects_of_fields_are_reproduced_unless_told_otherwise() {
    let fixed = FieldOptions {
        fixed_fields: true,
        ..FieldOptions::default()
    };
    let cases = [
        ("ka.sourceips", None, "<NA>", "(10.0.0.1,10.0.0.2)"),
        ("ka.sourceips", Some("1"), "<NA>", "(10.0.0.2)"),
        (
            "ka.req.pod.containers.eff_run_as_user",
            None,
            "(0,0)",
            "(1000,0)",
        ),
        (
            "ka.req.pod.containers.eff_run_as_user",
            Some("0"),
            "<NA>",
            "(1000)",
        ),
        (
            "ka.req.pod.containers.add_capabilities",
            None,
            "([\"NET_ADMIN\",\"SYS_ADMIN\"])",
            "(NET_ADMIN,SYS_ADMIN)",
        ),
    ];
    for (name, argument, default, mended) in cases {
        let as_falco = resolve(name, argument, &FieldOptions::default()).unwrap();
        assert_eq!(values(&as_falco), default, "{name}");
        assert_eq!(
            values(&resolve(name, argument, &fixed).unwrap()),
            mended,
            "{name}"
        );
    }
}

#[test]
fn fields_can_come_from_the_configuration() {
    let options = FieldOptions {
        hostname: "node-1".into(),
        static_fields: Arc::new(BTreeMap::from([("env".to_owned(), "prod".to_owned())])),
        ..FieldOptions::default()
    };
    assert_eq!(
        values(&resolve("evt.hostname", None, &options).unwrap()),
        "node-1"
    );
    assert_eq!(
        values(&resolve("static.env", None, &options).unwrap()),
        "prod"
    );
    assert!(resolve("static.nope", None, &options).is_err());
    let output = compile_output("%static.environment", &options).unwrap();
    assert_eq!(
        reference::rendered(&output.template, &event(POD)),
        b"prodironment"
    );
}

#[test]
fn a_pointer_leads_through_arrays_by_index_only() {
    let value =
        |pointer| values(&resolve("jevt.value", Some(pointer), &FieldOptions::default()).unwrap());
    assert_eq!(value("/requestObject/spec/containers/1/name"), "b");
    assert_eq!(value("/requestObject/spec/containers/name"), "<NA>");
    assert_eq!(
        value("/requestObject/spec/containers/01/securityContext/runAsUser"),
        "0"
    );
    assert_eq!(value("/0"), "<NA>");
}

#[test]
fn an_output_knows_its_fields_and_what_is_wrong_with_it() {
    let options = FieldOptions::default();
    let output = compile_output("*%ka.verb by %toupper(ka.user.name) %ka.verb", &options).unwrap();
    let names: Vec<_> = output
        .template
        .fields
        .iter()
        .map(|field| field.name.as_ref())
        .collect();
    assert_eq!(names, ["ka.user.name", "ka.verb"]);
    assert_eq!(
        output.template.text,
        "*%ka.verb by %toupper(ka.user.name) %ka.verb"
    );
    let wrong = |text| compile_output(text, &options).unwrap_err();
    assert_eq!(
        wrong("x %ka.vreb").help.as_deref(),
        Some("did you mean `ka.verb`?")
    );
    assert!(wrong("x %proc.name y").unknown_field());
    assert_eq!(wrong("x %proc.name y").span, 3..12);
    assert!(!wrong("100%").unknown_field());
    assert!(!wrong("").unknown_field());
    assert!(wrong("%len(len(ka.verb))").message.contains("`len`"));
    assert_eq!(
        compile_output("x evt.dir", &options)
            .unwrap()
            .warnings
            .len(),
        1
    );
    let removed = compile_output("a %container.info b", &options).unwrap();
    assert_eq!(reference::rendered(&removed.template, &event(POD)), b"a  b");
    assert_eq!(
        removed.warnings.first().unwrap().code,
        "LOAD_DEPRECATED_ITEM"
    );
}

#[test]
fn operators_are_known_by_what_they_want_on_the_right() {
    assert_eq!(is_operator("exists"), Some(OperatorShape::Unary));
    assert_eq!(is_operator("<="), Some(OperatorShape::Number));
    assert_eq!(is_operator("contains"), Some(OperatorShape::Single));
    assert_eq!(is_operator("pmatch"), Some(OperatorShape::List));
    assert_eq!(is_operator("!=  allof"), Some(OperatorShape::Modified));
    assert_eq!(is_operator("in anyof"), None);
    assert_eq!(is_operator("like"), None);
}
