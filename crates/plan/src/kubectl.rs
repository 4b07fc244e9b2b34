//! What requests a kubectl command line sends, as far as a policy cares.
//!
//! People think in commands, policies in verbs and resources. This knows the commands that touch single resources; for anything else
//! a method and a URL say what is meant. It asks no server, so names of custom resources must come with their group
//! (`widgets.example.com`).

use crate::identity::{ADMINISTRATOR, user};
use crate::probe::{Probe, Target};
use crate::resources::{self, Resource};

/// A request and what it is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// The request.
    pub probe: Probe,
    /// Why the command sends it, if that is not obvious.
    pub why: &'static str,
}

/// The command line cannot be turned into requests.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KubectlError {
    /// There is no such command here.
    #[error(
        "`kubectl {0}` is not known here; write a method and a URL instead, such as `GET /api/v1/namespaces/dev/secrets`"
    )]
    Command(String),
    /// The resource is not one that every server has.
    #[error(
        "`{0}` is no built-in resource; write it with its group, such as `widgets.example.com`, or write a method and a URL"
    )]
    Resource(String),
    /// The command names nothing to act on.
    #[error("`kubectl {0}` needs a resource, such as `kubectl {0} pods`")]
    Nothing(String),
    /// An option lacks its value.
    #[error("`{0}` needs a value")]
    Value(String),
}

/// The requests of a command line; `kubectl` itself may be left out.
///
/// # Errors
///
/// When the command or the resource is not known.
pub fn requests(words: &[String]) -> Result<Vec<Request>, KubectlError> {
    let line = Line::parse(words)?;
    let mut words = line.words.iter().map(String::as_str);
    let command = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    let sent = match command {
        "get" => line.on(
            command,
            &rest,
            if line.watches {
                &["list", "watch"]
            } else {
                &["read"]
            },
        )?,
        "describe" => line.on(command, &rest, &["read", "events"])?,
        "create" => line.on(command, &rest, &["create"])?,
        "apply" => line.on(command, &rest, &["get", "patch"])?,
        "replace" => line.on(command, &rest, &["get", "update"])?,
        "edit" | "patch" | "label" | "annotate" | "set" => {
            line.on(command, &rest, &["get", "patch"])?
        }
        "delete" => line.on(command, &rest, &["delete"])?,
        "scale" => line.on(command, &rest, &["scale"])?,
        "rollout" => line.on(
            command,
            rest.get(1..).unwrap_or_default(),
            &["get", "patch"],
        )?,
        "exec" | "cp" => line.on_pod(command, &rest, "exec")?,
        "attach" => line.on_pod(command, &rest, "attach")?,
        "port-forward" => line.on_pod(command, &rest, "portforward")?,
        "logs" => line.on_pod(command, &rest, "log")?,
        "debug" => line.on_pod(command, &rest, "ephemeralcontainers")?,
        "cordon" | "uncordon" | "taint" => {
            line.on_resource("nodes", rest.first().copied(), &["get", "patch"])?
        }
        "drain" => line.drain(&rest)?,
        "auth" => vec![line.request("create", "selfsubjectaccessreviews", "", None)?],
        other => return Err(KubectlError::Command(other.to_owned())),
    };
    Ok(sent)
}

/// A command line, options apart.
struct Line {
    words: Vec<String>,
    namespace: Option<String>,
    all_namespaces: bool,
    all: bool,
    watches: bool,
    user: (Box<str>, Vec<Box<str>>),
}

impl Line {
    fn parse(words: &[String]) -> Result<Self, KubectlError> {
        let mut line = Self {
            words: Vec::new(),
            namespace: None,
            all_namespaces: false,
            all: false,
            watches: false,
            user: (Box::default(), Vec::new()),
        };
        let (mut name, mut groups) = (None, Vec::new());
        let mut words = words.iter().skip_while(|word| *word == "kubectl");
        while let Some(word) = words.next() {
            let (option, inline) = word
                .split_once('=')
                .map_or((word.as_str(), None), |(option, value)| {
                    (option, Some(value))
                });
            let mut value = || match inline {
                Some(value) => Ok(value.to_owned()),
                None => words
                    .next()
                    .cloned()
                    .ok_or_else(|| KubectlError::Value(option.to_owned())),
            };
            // `logs -f` follows and `logs -p` looks back; elsewhere a file or a patch comes after them.
            let is_logs = line.words.first().is_some_and(|command| command == "logs");
            match option {
                "--" => break,
                "-f" | "-p" if is_logs => {}
                "-n" | "--namespace" => line.namespace = Some(value()?),
                "--as" => name = Some(value()?),
                "--as-group" => groups.push(value()?),
                "-A" | "--all-namespaces" => line.all_namespaces = true,
                "--all" => line.all = true,
                "-w" | "--watch" | "--watch-only" => line.watches = true,
                "-o" | "--output" | "-l" | "--selector" | "-c" | "--container" | "-f"
                | "--filename" | "--image" | "--replicas" | "-p" | "--patch" | "--context"
                | "--cluster" | "--kubeconfig" | "--user" | "--field-selector" | "--as-uid" => {
                    value()?;
                }
                option if option.starts_with('-') => {}
                _ => line.words.push(word.clone()),
            }
        }
        line.user = user(name.as_deref().unwrap_or(ADMINISTRATOR), groups);
        Ok(line)
    }

    /// Requests on what the words name: `pods`, `pods NAME`, `pods/NAME`.
    fn on(
        &self,
        command: &str,
        words: &[&str],
        actions: &[&'static str],
    ) -> Result<Vec<Request>, KubectlError> {
        let (resource, name) = match words {
            [] => return Err(KubectlError::Nothing(command.to_owned())),
            [first, rest @ ..] => match first.split_once('/') {
                Some((resource, name)) => (resource, Some(name)),
                None => (*first, rest.first().copied()),
            },
        };
        self.on_resource(resource, name, actions)
    }

    fn on_resource(
        &self,
        resource: &str,
        name: Option<&str>,
        actions: &[&'static str],
    ) -> Result<Vec<Request>, KubectlError> {
        let mut requests = Vec::new();
        for &action in actions {
            requests.push(match (action, name) {
                ("read", None) => self.request("list", resource, "", None)?,
                ("read", name) => self.request("get", resource, "", name)?,
                ("list" | "create", _) => self.request(action, resource, "", None)?,
                ("events", _) => Request {
                    why: "to show the object's events",
                    ..self.request("list", "events", "", None)?
                },
                ("delete", None) if self.all => {
                    self.request("deletecollection", resource, "", None)?
                }
                ("scale", name) => self.request("patch", resource, "scale", name)?,
                (verb, name) => self.request(verb, resource, "", name)?,
            });
        }
        Ok(requests)
    }

    /// Requests on a subresource of a pod.
    fn on_pod(
        &self,
        command: &str,
        words: &[&str],
        subresource: &'static str,
    ) -> Result<Vec<Request>, KubectlError> {
        let pod = words
            .first()
            .ok_or_else(|| KubectlError::Nothing(command.to_owned()))?;
        let pod = pod
            .strip_prefix("pod/")
            .or_else(|| pod.strip_prefix("pods/"))
            .unwrap_or(pod);
        let name = Some(pod.split(':').next().unwrap_or(pod));
        let read = Request {
            why: "to look the pod up",
            ..self.request("get", "pods", "", name)?
        };
        let mut requests = vec![read];
        match subresource {
            "log" => requests.push(self.request("get", "pods", "log", name)?),
            "ephemeralcontainers" => {
                requests.push(self.request("patch", "pods", subresource, name)?)
            }
            _ => {
                requests.push(Request {
                    why: "over WebSocket, as kubectl does since 1.30",
                    ..self.request("get", "pods", subresource, name)?
                });
                requests.push(Request {
                    why: "over SPDY, as older clients do",
                    ..self.request("create", "pods", subresource, name)?
                });
            }
        }
        Ok(requests)
    }

    fn drain(&self, words: &[&str]) -> Result<Vec<Request>, KubectlError> {
        let mut requests = self.on_resource("nodes", words.first().copied(), &["get", "patch"])?;
        let evict = self.request("create", "pods", "eviction", Some("a-pod-of-the-node"))?;
        requests.push(Request {
            why: "for each pod of the node",
            ..evict
        });
        Ok(requests)
    }

    fn request(
        &self,
        verb: &str,
        resource: &str,
        subresource: &str,
        name: Option<&str>,
    ) -> Result<Request, KubectlError> {
        let (group, resource, namespaced) = found(resource)?;
        let is_namespace = group.is_empty() && resource == "namespaces";
        let namespace = match (&self.namespace, name) {
            (_, Some(name)) if is_namespace => name,
            _ if !namespaced || (self.all_namespaces && name.is_none()) => "",
            (Some(namespace), _) => namespace,
            (None, _) => "default",
        };
        Ok(Request {
            probe: Probe {
                user: Some(self.user.clone()),
                verb: verb.into(),
                target: Target::Resource {
                    group: group.into(),
                    resource: resource.into(),
                    subresource: subresource.into(),
                    namespace: namespace.into(),
                    name: name.unwrap_or_default().into(),
                },
            },
            why: "",
        })
    }
}

/// Group, plural and whether it is namespaced, of `pods`, `po`, `Pod`, `deployments.apps` or `widgets.example.com`.
fn found(word: &str) -> Result<(String, String, bool), KubectlError> {
    let (name, group) = word
        .split_once('.')
        .map_or((word, None), |(name, group)| (name, Some(group)));
    let fits = |resource: &&Resource| group.is_none_or(|group| resource.group == group);
    let known = resources::of_name(name)
        .find(fits)
        .or_else(|| resources::meant(name).filter(|resource| fits(resource)));
    match (known, group) {
        (Some(resource), _) => Ok((
            resource.group.to_owned(),
            resource.name.to_owned(),
            resource.namespaced,
        )),
        (None, Some(group)) => Ok((group.to_owned(), name.to_owned(), true)),
        (None, None) => Err(KubectlError::Resource(word.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(line: &str) -> Vec<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let requests = requests(&words).unwrap();
        let shown = requests.iter().map(|request| {
            let attributes = request.probe.attributes();
            let slash = if attributes.subresource.is_empty() {
                ""
            } else {
                "/"
            };
            format!(
                "{} {}{slash}{} {}/{}",
                attributes.verb,
                attributes.resource,
                attributes.subresource,
                attributes.namespace,
                attributes.name
            )
        });
        shown.collect()
    }

    #[test]
    fn commands_become_requests() {
        for (line, expected) in [
            (
                "kubectl get secrets -n kube-system",
                vec!["list secrets kube-system/"],
            ),
            ("get secret db", vec!["get secrets default/db"]),
            ("get po -A -w", vec!["list pods /", "watch pods /"]),
            (
                "delete pods --all -n dev",
                vec!["deletecollection pods dev/"],
            ),
            ("delete ns dev", vec!["delete namespaces dev/dev"]),
            (
                "scale deploy/web --replicas=3",
                vec!["patch deployments/scale default/web"],
            ),
            (
                "exec -it web -n dev -- sh -c id",
                vec![
                    "get pods dev/web",
                    "get pods/exec dev/web",
                    "create pods/exec dev/web",
                ],
            ),
            (
                "logs -f pod/web",
                vec!["get pods default/web", "get pods/log default/web"],
            ),
            ("get widgets.example.com", vec!["list widgets default/"]),
            (
                "auth can-i --list",
                vec!["create selfsubjectaccessreviews /"],
            ),
        ] {
            assert_eq!(sent(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_known_is_said_with_what_to_write_instead() {
        for line in ["frobnicate pods", "get widgets", "get", "get pods -n"] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert!(requests(&words).is_err(), "{line}");
        }
    }
}
