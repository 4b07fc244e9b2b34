//! Authorities whose files change while they are in use.

use kubevigil_gateway::identity::{Authenticator, IdentityConfig, Renewal};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::certificates::by_certificate;
use crate::front_proxy::behind;
use crate::request::{authenticator, judge, said};

/// The files of an authenticator that knows proxies, of any name, and clients.
struct Files {
    folder: TempDir,
    authenticator: Authenticator,
}

impl Files {
    fn new(proxies: &Authority, clients: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::copy(proxies.file(), path("proxies.crt")).unwrap();
        std::fs::copy(clients.file(), path("clients.crt")).unwrap();
        let mut config = IdentityConfig {
            client_ca: Some(path("clients.crt")),
            ..behind(proxies, &[])
        };
        config.front_proxy.as_mut().unwrap().ca = path("proxies.crt");
        Self {
            authenticator: authenticator(&config),
            folder,
        }
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    fn is(&self, name: &str, authority: &Authority) {
        self.write(name, &std::fs::read(authority.file()).unwrap());
    }

    fn look(&self) -> (u64, Vec<String>) {
        told(&self.authenticator.reload(false))
    }

    /// What a certificate of the authority is good for: to be a `proxy`, a `client`, or `nobody`.
    async fn standing(&self, authority: &Authority) -> &'static str {
        let headers = [("x-remote-user", "proxy")];
        let peer = authority.client("client", &[]);
        let judgement = judge(&self.authenticator, &headers, &peer).await;
        match said(&judgement).split('|').next() {
            Some("proxy") => "proxy",
            Some("client") => "client",
            _ => "nobody",
        }
    }
}

fn told(renewal: &Renewal) -> (u64, Vec<String>) {
    let errors = renewal.errors.iter();
    let beginning = |text: String| text.split([':', ',']).next().unwrap_or_default().to_owned();
    let errors = errors.map(|error| beginning(error.to_string()));
    (renewal.replaced, errors.collect())
}

fn errors(settings: &[&str]) -> Vec<String> {
    let settings = settings.iter();
    settings
        .map(|setting| format!("identity.{setting}"))
        .collect()
}

#[tokio::test]
async fn authorities_are_replaced_without_a_restart() {
    let (authority, next) = (Authority::new(), Authority::new());
    let authenticator = authenticator(&by_certificate(&authority));
    let (jane, joe) = (authority.client("jane", &[]), next.client("joe", &[]));
    assert!(said(&judge(&authenticator, &[], &jane).await).starts_with("jane|"));
    assert_eq!(said(&judge(&authenticator, &[], &joe).await), "401");
    std::fs::copy(next.file(), authority.file()).unwrap();
    assert_eq!(told(&authenticator.reload(true)), (1, vec![]));
    assert_eq!(said(&judge(&authenticator, &[], &jane).await), "401");
    assert!(said(&judge(&authenticator, &[], &joe).await).starts_with("joe|"));
    assert_eq!(told(&authenticator.reload(true)), (0, vec![]), "the same");
}

#[tokio::test]
async fn a_broken_file_is_told_once_and_keeps_no_other_from_being_renewed() {
    let (proxies, clients, next) = (Authority::new(), Authority::new(), Authority::new());
    let files = Files::new(&proxies, &clients);
    files.write("proxies.crt", b"nonsense");
    assert_eq!(files.look(), (0, errors(&["front_proxy.ca"])));
    files.is("clients.crt", &next);
    assert_eq!(files.look(), (1, vec![]), "the error was told before");
    assert_eq!(files.standing(&proxies).await, "proxy");
    assert_eq!(files.standing(&clients).await, "nobody");
    assert_eq!(files.standing(&next).await, "client");

    std::fs::remove_file(files.folder.path().join("clients.crt")).unwrap();
    assert_eq!(files.look(), (0, errors(&["client_ca"])));
    assert_eq!(files.look(), (0, vec![]));
    let both = told(&files.authenticator.reload(true)).1;
    assert_eq!(both, errors(&["front_proxy.ca", "client_ca"]), "insisted");
    files.write("proxies.crt", b"other nonsense");
    assert_eq!(files.look().1, errors(&["front_proxy.ca"]), "another one");
}

#[tokio::test]
async fn authorities_that_would_let_clients_pass_for_the_proxy_wait_until_they_do_not() {
    let (proxies, clients, next) = (Authority::new(), Authority::new(), Authority::new());
    let files = Files::new(&proxies, &clients);
    files.is("proxies.crt", &clients);
    let overlap = errors(&["front_proxy.allowed_names"]);
    assert_eq!(files.look(), (0, overlap.clone()));
    assert_eq!(files.look(), (0, vec![]), "told once");
    assert_eq!(files.standing(&clients).await, "client");
    assert_eq!(files.standing(&proxies).await, "proxy");

    files.is("clients.crt", &next);
    assert_eq!(files.look(), (2, vec![]), "now they agree");
    assert_eq!(files.standing(&clients).await, "proxy");
    assert_eq!(files.standing(&next).await, "client");
    assert_eq!(files.standing(&proxies).await, "nobody");

    // Both at once: one of them agrees with what stays.
    files.is("clients.crt", &proxies);
    files.is("proxies.crt", &proxies);
    assert_eq!(files.look(), (1, overlap));
    assert_eq!(files.standing(&proxies).await, "client");
    assert_eq!(files.standing(&clients).await, "proxy");
}

/// What a file may hold.
#[derive(Clone, Copy, Debug)]
enum Held {
    Authority(usize),
    Nonsense,
    Nothing,
}

fn held() -> impl Strategy<Value = Held> {
    prop_oneof![
        4 => (0..3_usize).prop_map(Held::Authority),
        1 => Just(Held::Nonsense),
        1 => Just(Held::Nothing),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_the_files_hold_clients_never_pass_for_the_proxy(
        changes in proptest::collection::vec((any::<bool>(), held()), 1..12)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let authorities = [Authority::new(), Authority::new(), Authority::new()];
        let files = Files::new(&authorities[0], &authorities[1]);
        let mut good = [0, 1];
        for (is_of_clients, held) in changes {
            let name = if is_of_clients { "clients.crt" } else { "proxies.crt" };
            match held {
                Held::Authority(number) => {
                    files.is(name, &authorities[number]);
                    good[usize::from(is_of_clients)] = number;
                }
                Held::Nonsense => files.write(name, b"nonsense"),
                Held::Nothing => drop(std::fs::remove_file(files.folder.path().join(name))),
            }
            files.look();
            prop_assert_eq!(files.look(), (0, vec![]), "a look at unchanged files is silent");
            let standings = authorities.each_ref().map(|one| runtime.block_on(files.standing(one)));
            let count = |wanted: &str| standings.iter().filter(|one| **one == wanted).count();
            prop_assert_eq!((count("proxy"), count("client")), (1, 1), "{:?}", standings);
            if good[0] != good[1] {
                prop_assert_eq!(standings[good[0]], "proxy");
                prop_assert_eq!(standings[good[1]], "client");
            }
        }
    }
}
