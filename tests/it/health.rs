//! `flowhook health`: 0 for a service that is well, 1 for everything else.

use axum::Router;
use axum::routing::any;
use flowhook::sandbox::{Sandbox, Settings};
use serde_json::json;
use tokio::net::TcpListener;

use crate::elsewhere::server;
use crate::program::{Addresses, Output, Program, Running};

async fn service() -> (Running, Addresses) {
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    let mut service = Program::serve(&tenant).start();
    let addresses = service.ready().await;
    (service, addresses)
}

/// `health` with nothing set but where the admin listener is.
async fn health(arguments: &[&str], listen: &str) -> Output {
    let program = Program::flowhook(&[&["health"], arguments].concat());
    program.env("FLOWHOOK_ADMIN_LISTEN", listen).output().await
}

/// The probe answers, as text and as JSON.
async fn assert_well(listen: &str) {
    for (arguments, word) in [(&[][..], "healthy"), (&["--ready"], "ready")] {
        let text = health(arguments, listen).await;
        let told = (text.code, text.stdout.as_str(), text.stderr.as_str());
        assert_eq!(told, (Some(0), format!("{word}\n").as_str(), ""), "{arguments:?}");
        let json = health(&[arguments, &["--json"]].concat(), listen).await;
        assert_eq!((json.code, json.json()), (Some(0), json!({"status": word, "reason": null})));
    }
}

/// The probe fails and says so, as text and as JSON.
async fn assert_unwell(listen: &str, says: &[&str]) {
    for (arguments, word) in [(&[][..], "unhealthy"), (&["--ready"], "not ready")] {
        let text = health(arguments, listen).await;
        assert_eq!((text.code, text.stdout.as_str()), (Some(1), ""), "{text:?}");
        let json = health(&[arguments, &["--json"]].concat(), listen).await;
        assert_eq!((json.code, &json.json()["status"]), (Some(1), &json!(word)), "{json:?}");
        for words in says {
            assert!(text.stderr.contains(words), "{words:?} in {text:?}");
            assert!(json.json()["reason"].as_str().is_some_and(|why| why.contains(words)), "{json:?}");
        }
    }
}

#[tokio::test]
async fn a_service_that_runs_is_healthy_and_ready_and_one_that_has_stopped_is_neither() {
    let (service, addresses) = service().await;
    let port = addresses.admin.port();
    assert_well(&addresses.admin.to_string()).await;
    // Where a service listens everywhere, it is asked by loopback.
    assert_well(&format!("0.0.0.0:{port}")).await;

    service.signal("TERM");
    assert_eq!(service.exit().await.code, Some(0));
    let says = ["nothing answers", &port.to_string(), "refused", "FLOWHOOK_ADMIN_LISTEN"];
    assert_unwell(&format!("127.0.0.1:{port}"), &says).await;
}

#[tokio::test]
async fn a_proxy_that_the_environment_names_is_not_asked() {
    let (_service, addresses) = service().await;
    let health = Program::flowhook(&["health"]).env("http_proxy", "http://127.0.0.1:9");
    let output = health.env("FLOWHOOK_ADMIN_LISTEN", &addresses.admin.to_string()).output().await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "healthy\n"), "{output:?}");
}

#[tokio::test]
async fn what_is_not_flowhooks_admin_listener_is_unwell() {
    let (_service, addresses) = service().await;
    // Its own public listener answers 404, the practice tenant too.
    assert_unwell(&addresses.public.to_string(), &["404", "not flowhook", "FLOWHOOK_ADMIN_LISTEN"]).await;
    let other = Sandbox::start(Settings::default()).await.expect("a free port");
    let base_url = other.base_url();
    let address = base_url.trim_start_matches("http://");
    assert_unwell(address, &["404", "not flowhook", address]).await;
    let page = Router::new().fallback(any(|| async { r#"{"status":"ok"}"# }));
    assert_unwell(&server(page).await.to_string(), &["200", "not flowhook"]).await;
}

#[tokio::test]
async fn who_does_not_answer_within_two_seconds_is_unwell() {
    // The kernel takes the connection; nobody ever reads.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = silent.local_addr().expect("it is bound").to_string();
    assert_unwell(&address, &["within 2 s", &address]).await;
}

#[tokio::test]
async fn wrong_settings_are_1_too_and_only_the_admin_address_is_looked_at() {
    assert_unwell("everywhere", &["FLOWHOOK_ADMIN_LISTEN", "`everywhere`"]).await;
    assert_unwell("127.0.0.1:0", &["FLOWHOOK_ADMIN_LISTEN", "`127.0.0.1:0`", "port"]).await;
    let (_service, addresses) = service().await;
    let health = Program::flowhook(&["health"]).envs(&[
        ("FLOWHOOK_ADMIN_LISTEN", &format!("0.0.0.0:{}", addresses.admin.port())),
        ("FLOWHOOK_ADMIN_TOKEN_FILE", "no-such-file"),
        ("FLOWHOOK_LISTEN", "nowhere"),
        ("CXONE_BASE_URL", "none"),
    ]);
    assert_eq!(health.output().await.code, Some(0));
}
