//! Families of clients, by the user agent.

/// A family's name and the beginnings of the agents that belong to it, in lower case.
const FAMILIES: &[(&str, &[&str])] = &[
    ("python", &["python", "aiohttp", "urllib3"]),
    ("java", &["java", "okhttp", "fabric8"]),
    ("curl", &["curl", "libcurl"]),
];

/// What clients that are generated or that only say their language have behind their version.
const LANGUAGES: &[&str] = &[
    "python",
    "java",
    "ruby",
    "csharp",
    "go",
    "javascript",
    "typescript",
];

/// Tools that pretend to be browsers, by what gives them away.
const PRETENDERS: &[&str] = &[
    "powershell",
    "zgrab",
    "nmap",
    "nuclei",
    "sqlmap",
    "censys",
    "shodan",
];

/// The longest name, in bytes.
const MAX_NAME: usize = 64;

/// As much of an agent is looked at.
const MAX_AGENT: usize = 1_100;

/// The family of an agent; `None` when it names no product.
pub(super) fn family(agent: &[u8]) -> Option<Vec<u8>> {
    let agent = String::from_utf8_lossy(agent.get(..MAX_AGENT).unwrap_or(agent)).to_lowercase();
    let agent = agent.trim();
    if agent.starts_with("mozilla/") || agent == "mozilla" {
        let pretender = PRETENDERS.iter().find(|tool| agent.contains(**tool));
        return Some(pretender.unwrap_or(&"browser").as_bytes().to_vec());
    }
    let end = agent.find(|end: char| matches!(end, '/' | '(' | ';' | ',') || end.is_whitespace());
    let (product, rest) = agent.split_at(end.unwrap_or(agent.len()));
    let product = product.strip_suffix(".exe").unwrap_or(product);
    if product.is_empty() {
        return None;
    }
    if is_generated(product) {
        let language = LANGUAGES
            .iter()
            .find(|language| rest.ends_with(&format!("/{language}")));
        if let Some(language) = language {
            return Some(language.as_bytes().to_vec());
        }
    }
    let known = FAMILIES.iter().find(|(_, starts)| {
        let mut starts = starts.iter();
        starts.any(|start| product.starts_with(start))
    });
    let name = known.map_or(product, |(family, _)| family);
    Some(cut(name).as_bytes().to_vec())
}

fn is_generated(product: &str) -> bool {
    matches!(product, "openapi-generator" | "swagger-codegen")
}

fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_NAME))
        .unwrap_or(name)
}
