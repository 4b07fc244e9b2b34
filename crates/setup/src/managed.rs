//! Clusters whose API server somebody else runs: what can be had there, and what cannot.
//!
//! No provider lets its customers set a policy or a webhook. What they hand out is a copy of events by their own policy, through their own
//! log service; an export of it can be scanned.

use crate::File;

/// A provider of managed clusters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Provider {
    /// Azure Kubernetes Service.
    Aks,
    /// Amazon Elastic Kubernetes Service.
    Eks,
    /// Google Kubernetes Engine.
    Gke,
}

/// The only file: what to do.
pub fn readme(provider: Provider) -> File {
    let text = match provider {
        Provider::Aks => include_str!("managed/aks.md"),
        Provider::Eks => include_str!("managed/eks.md"),
        Provider::Gke => include_str!("managed/gke.md"),
    };
    File::public("README.md", text)
}
