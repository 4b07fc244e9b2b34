//! Audit policies: checked, explained, simulated and proposed.
//!
//! An audit policy decides what can ever be seen. Everything here rests on putting requests to the evaluator of
//! `kubevigil-audit`, which decides as the API server does. Nothing is concluded from looking at rules one by one: the first
//! that matches decides, so what a rule means depends on all before it.
//!
//! This crate is pure: texts and events go in, answers come out.
//!
//! # What answers which question
//!
//! | question | module |
//! |---|---|
//! | What is wrong with a policy although an API server accepts it? | [`check`], a file a finding |
//! | On which requests can a rule fire, and what must be recorded of them? | [`known`], [`rest`], [`need`] |
//! | Does a policy record that? | [`coverage`] |
//! | Which policy would? | [`recommend`]; [`merge`] adds to one that is there |
//! | What would become of the events of a log? | [`recorded`], [`simulate`] |
//!
//! They stand on what is known of requests:
//!
//! - [`resources`] lists what every API server serves, [`identity`] the groups of users.
//! - [`probe`] makes up requests; [`reach`] makes up those that a rule of a policy is there for.
//! - [`kubectl`] turns what people type into requests, [`wrapped`] finds policies inside other files.
//! - [`version`] tells what differs between API servers.
//!
//! # Example
//!
//! A rule about exec, under a policy that leaves out the stage at which an exec is first seen:
//!
//! ```
//! use kubevigil_audit::policy::PolicyFile;
//! use kubevigil_plan::coverage::{Verdict, coverage};
//! use kubevigil_plan::known::Solver;
//! use kubevigil_plan::need::Space;
//! use kubevigil_rules::sigma::{Loader, Options};
//!
//! let mut loader = Loader::new(Options::default());
//! loader.load_file("exec.yml", "
//! title: Exec into a pod
//! logsource: {product: kubernetes, service: audit}
//! detection:
//!   exec: {objectRef.subresource: exec, stage: ResponseStarted}
//!   condition: exec
//! ");
//! let rules = loader.finish().rules;
//! let text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [ResponseStarted]\nrules: [{level: Metadata}]\n";
//! let policy = PolicyFile::read("policy.yaml", text).policy.ok_or("no policy")?;
//!
//! let space = Space::new(rules.iter().map(AsRef::as_ref), &policy);
//! let found = coverage(&rules[0], &policy, &space, &Solver::default());
//! assert_eq!(found.verdict, Verdict::Nothing);
//! # Ok::<(), &str>(())
//! ```

pub mod check;
pub mod coverage;
pub mod identity;
pub mod known;
pub mod kubectl;
mod leaf;
pub mod merge;
pub mod need;
pub mod probe;
pub mod reach;
pub mod recommend;
pub mod recorded;
pub mod resources;
pub mod rest;
pub mod simulate;
pub mod version;
pub mod wrapped;

pub use crate::version::KubernetesVersion;
