//! The versions that rule files ask for.

use kubevigil_yaml::Node;

use crate::falco::codes;
use crate::falco::items::{Read, Reader};

/// A version of Falco's engine or of a plugin.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct EngineVersion {
    /// Versions of another major are not compatible.
    pub major: u64,
    /// The middle number.
    pub minor: u64,
    /// The last number.
    pub patch: u64,
}

impl EngineVersion {
    /// The engine whose behaviour this crate reproduces.
    pub const CURRENT: Self = Self {
        major: 0,
        minor: 63,
        patch: 0,
    };

    /// Reads `x.y.z`; what follows the last number is ignored, as Falco does with `0.26.0-rc1`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let (major, minor) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let last = parts.next()?;
        let digits = last
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(last.len());
        let patch = last.get(..digits)?.parse().ok()?;
        Some(Self {
            major,
            minor,
            patch,
        })
    }

    /// Whether something of this version can do what `required` asks for.
    fn satisfies(self, required: Self) -> bool {
        self.major == required.major && self >= required
    }
}

impl std::fmt::Display for EngineVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The plugins whose fields are built in.
const PLUGINS: [(&str, EngineVersion); 2] = [
    (
        "json",
        EngineVersion {
            major: 0,
            minor: 7,
            patch: 4,
        },
    ),
    (
        "k8saudit",
        EngineVersion {
            major: 0,
            minor: 18,
            patch: 0,
        },
    ),
];

/// Checks a `required_engine_version` item.
pub(super) fn check_engine(
    reader: &mut Reader<'_>,
    node: &Node,
    engine: EngineVersion,
) -> Read<()> {
    const KEY: &str = "required_engine_version";
    reader.item = KEY.to_owned();
    reader.check_keys(node, &[KEY]);
    let value = reader.required(node, KEY)?;
    let span = value.span.clone();
    let text = value.text().unwrap_or_default();
    let minor = text.parse().ok().map(|minor| EngineVersion {
        major: 0,
        minor,
        patch: 0,
    });
    let Some(required) = minor.or_else(|| EngineVersion::parse(text)) else {
        let message = format!("`{text}` is no engine version: expected a number or x.y.z");
        return Err(reader.error(codes::YAML_VALIDATE, span, message));
    };
    if engine.satisfies(required) {
        return Ok(());
    }
    let message =
        format!("the file needs a Falco engine {required}, and this one stands for {engine}");
    Err(reader.error(codes::VALIDATE, span, message))
}

/// Checks a `required_plugin_versions` item.
pub(super) fn check_plugins(reader: &mut Reader<'_>, node: &Node) -> Read<()> {
    const KEY: &str = "required_plugin_versions";
    reader.item = KEY.to_owned();
    reader.check_keys(node, &[KEY]);
    let value = reader.required(node, KEY)?;
    let Some(entries) = value.items() else {
        let message = "plugin requirements must be a list of maps with `name` and `version`";
        return Err(reader.error(codes::YAML_VALIDATE, value.span.clone(), message));
    };
    let results: Vec<Read<()>> = entries
        .iter()
        .map(|entry| check_plugin(reader, entry))
        .collect();
    results.into_iter().collect()
}

/// A plugin of at least a version.
struct Requirement {
    name: String,
    version: EngineVersion,
}

fn check_plugin(reader: &mut Reader<'_>, entry: &Node) -> Read<()> {
    reader.item = "required_plugin_versions entry".to_owned();
    reader.name_span = entry.span.clone();
    let main = requirement(reader, entry)?;
    let mut choices = vec![main];
    if let Some(alternatives) = entry.get("alternatives").filter(|node| !node.is_null()) {
        let Some(items) = alternatives.items() else {
            let message = "`alternatives` must be a list of maps with `name` and `version`";
            return Err(reader.error(codes::YAML_VALIDATE, alternatives.span.clone(), message));
        };
        let items: Vec<_> = items.iter().map(|item| requirement(reader, item)).collect();
        choices.extend(items.into_iter().collect::<Read<Vec<_>>>()?);
    }
    check_repetition(reader, entry, &choices)?;
    check_loaded(reader, entry, &choices)
}

fn requirement(reader: &mut Reader<'_>, entry: &Node) -> Read<Requirement> {
    let name = reader.text(entry, "name")?.as_str().to_owned();
    if !reader.item.ends_with('"') {
        reader.item = format!("required_plugin_versions entry \"{name}\"");
    }
    let version = reader.text(entry, "version")?;
    match EngineVersion::parse(version.as_str()) {
        Some(version) => Ok(Requirement { name, version }),
        None => {
            let span = entry.get("version").map_or(0..0, |node| node.span.clone());
            let message = format!(
                "`{}` is no plugin version: expected x.y.z",
                version.as_str()
            );
            Err(reader.error(codes::VALIDATE, span, message))
        }
    }
}

fn check_repetition(reader: &mut Reader<'_>, entry: &Node, choices: &[Requirement]) -> Read<()> {
    let repeated = choices.iter().enumerate().find(|(at, choice)| {
        choices
            .iter()
            .take(*at)
            .any(|earlier| earlier.name == choice.name)
    });
    match repeated {
        None => Ok(()),
        Some((_, choice)) => {
            let message = format!("plugin `{}` stands twice in one requirement", choice.name);
            Err(reader.error(codes::VALIDATE, entry.span.clone(), message))
        }
    }
}

/// The first choice that names a plugin that is there decides.
fn check_loaded(reader: &mut Reader<'_>, entry: &Node, choices: &[Requirement]) -> Read<()> {
    for choice in choices {
        if choice.name.starts_with("k8saudit-") {
            return Ok(());
        }
        let Some((name, version)) = PLUGINS.iter().find(|(name, _)| *name == choice.name) else {
            continue;
        };
        if version.satisfies(choice.version) {
            return Ok(());
        }
        let message = format!(
            "the file needs plugin {name} {}, and this one stands for {version}",
            choice.version
        );
        return Err(reader.error(codes::VALIDATE, entry.span.clone(), message));
    }
    let name = choices.first().map_or("", |choice| &choice.name);
    let message = format!("the file needs plugin `{name}`, whose fields are not built in");
    Err(reader.error(codes::VALIDATE, entry.span.clone(), message))
}

#[cfg(test)]
mod tests {
    use super::EngineVersion;

    #[test]
    fn versions_have_three_numbers_and_anything_after_them() {
        let parsed = |text| EngineVersion::parse(text).map(|version| version.to_string());
        assert_eq!(parsed("0.26.0-rc1").as_deref(), Some("0.26.0"));
        assert_eq!(parsed("1.2.3.4").as_deref(), Some("1.2.3"));
        for wrong in [
            "",
            "7",
            "0.26",
            "0.26.x",
            "a.b.c",
            "0..1",
            "-1.2.3",
            "99999999999999999999.0.0",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_newer_version_of_the_same_major_satisfies() {
        let engine = EngineVersion::CURRENT;
        for (text, satisfied) in [
            ("0.63.0", true),
            ("0.1.9", true),
            ("0.63.1", false),
            ("1.0.0", false),
        ] {
            assert_eq!(
                engine.satisfies(EngineVersion::parse(text).unwrap()),
                satisfied,
                "{text}"
            );
        }
    }
}
