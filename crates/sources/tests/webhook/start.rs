//! What keeps the webhook from starting, and what it says then.

use kubevigil_sources::webhook::{Webhook, WebhookConfig};

use crate::server::Server;

async fn refusal(change: impl FnOnce(&mut WebhookConfig)) -> String {
    let mut config = WebhookConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..WebhookConfig::default()
    };
    change(&mut config);
    match Webhook::bind(config).await {
        Ok(_) => panic!("must not start"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_port_in_use_says_how_to_find_its_user() {
    let server = Server::start().await;
    let port = server.address.port();
    let error = refusal(|config| config.listen = server.address).await;
    assert!(
        error.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")),
        "{error}"
    );
    assert!(
        error.contains(&format!("`ss -ltnp 'sport = :{port}'`")),
        "{error}"
    );
}

#[tokio::test]
async fn an_address_of_another_machine_is_explained() {
    let error = refusal(|config| config.listen = "192.0.2.1:8765".parse().unwrap()).await;
    assert!(
        error.contains("no interface of this machine has the address 192.0.2.1"),
        "{error}"
    );
}

#[tokio::test]
async fn settings_are_checked_before_the_port_is_taken() {
    let error = refusal(|config| config.paths.clear()).await;
    assert!(
        error.contains("webhook.paths: at least one path"),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_file_that_is_not_there_is_named() {
    let error = refusal(|config| config.tokens = Some("/nowhere/tokens".into())).await;
    assert!(
        error.starts_with("cannot read /nowhere/tokens: "),
        "{error}"
    );
}
