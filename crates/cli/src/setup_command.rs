//! `kubevigil setup`: files for a cluster, a check of how one is set up, and a try from end to end.

mod check;
mod credentials;
mod policy;
mod verify;
mod write;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use kubevigil_setup::generate::generate;
use kubevigil_setup::managed::{self, Provider};
use kubevigil_setup::{Choice, Distribution};

use crate::args::setup::{ClusterArgs, ManagedArgs, SetupArgs, SetupCommand};

pub(crate) fn execute(arguments: &SetupArgs) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        SetupCommand::Kubeadm(arguments) => cluster(Distribution::Kubeadm, arguments),
        SetupCommand::Kind(arguments) => cluster(Distribution::Kind, arguments),
        SetupCommand::K3s(arguments) => cluster(Distribution::K3s, arguments),
        SetupCommand::Minikube(arguments) => cluster(Distribution::Minikube, arguments),
        SetupCommand::Rke2(arguments) => cluster(Distribution::Rke2, arguments),
        SetupCommand::Eks(arguments) => provider(Provider::Eks, arguments),
        SetupCommand::Gke(arguments) => provider(Provider::Gke, arguments),
        SetupCommand::Aks(arguments) => provider(Provider::Aks, arguments),
        SetupCommand::Check(arguments) => check::execute(arguments),
        SetupCommand::Verify(arguments) => verify::execute(arguments),
    }
}

fn cluster(distribution: Distribution, arguments: &ClusterArgs) -> anyhow::Result<ExitCode> {
    let output = &arguments.output;
    // Before the policy, which takes its time.
    write::check_folder(output)?;
    let policy = policy::policy(arguments)?;
    let choice = Choice {
        distribution,
        address: arguments
            .address
            .clone()
            .unwrap_or_else(|| distribution.default_address()),
        cluster_ip: arguments.cluster_ip,
        version: arguments.kubernetes_version,
        authentication: arguments.auth.into(),
        policy: policy.text,
        folder: absolute(&output.output)?,
    };
    let (credentials, made) = credentials::of(&choice, output)?;
    let bundle = generate(&choice, &credentials, made)?;
    write::write(output, &bundle.files, &bundle.steps.to_string())?;
    Ok(ExitCode::from(u8::from(policy.is_incomplete)))
}

fn provider(provider: Provider, arguments: &ManagedArgs) -> anyhow::Result<ExitCode> {
    let readme = managed::readme(provider);
    write::check_folder(&arguments.output)?;
    let text = readme.contents.clone();
    write::write(&arguments.output, &[readme], &text)?;
    Ok(ExitCode::SUCCESS)
}

fn absolute(folder: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(folder).context("the current folder is gone")?;
    let text = path.to_str().map(str::to_owned);
    text.with_context(|| format!("the path {} is no UTF-8 text", path.display()))
}
