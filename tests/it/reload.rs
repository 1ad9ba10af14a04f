//! Settings that change while the service runs, by the real program.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use flowhook::sandbox::{Canned, Fault, FaultKind, Sandbox, Settings, sample_flow};
use jiff::Timestamp;

use crate::event::event;
use crate::harness::World;
use crate::patience::eventually;
use crate::program::{Addresses, Program, Running, WEBHOOK_SECRET, signed_by};
use crate::senders::{self, Load, add_flows, assert_true, flows};
use crate::wire::Wire;

const OLD: &str = WEBHOOK_SECRET;
const NEW: &str = "whsec_bmV3IHNlY3JldCBvZiB0aGUgc2VuZGVyLCAyMDI2";
const NEWER: &str = "whsec_bmV3ZXIgc2VjcmV0IG9mIHRoZSBzZW5kZXIsIDIwMjY=";
const TAKEN: &str = "the settings were read again and are in force";
const REFUSED: &str = "the settings cannot be used, and those of before stay in force";

/// The settings file of a source whose secrets are in a file.
const SETTINGS: &str = "
[sources.config]
scheme = \"standard-webhooks\"
secrets = [{ file = \"secret\" }]
";

async fn tenant() -> Sandbox {
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    tenant.add_flow("f", &sample_flow("f", "Support")).expect("the sample is a flow");
    tenant
}

/// A service with a settings file and a file with its secret.
fn serve(tenant: &Sandbox, settings: &str, secret: &str) -> Program {
    let program = Program::flowhook(&["--config", "flowhook.toml", "serve"]).at(tenant).on_free_ports();
    program.file("flowhook.toml", settings).file("secret", secret)
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("the folder is ours");
}

/// Writes a file that is never seen half-written.
fn swap(path: &Path, text: &str) {
    let next = path.with_extension("next");
    write(&next, text);
    fs::rename(next, path).expect("a rename");
}

impl Addresses {
    /// The status of the answer to a delivery that is signed with this secret.
    async fn status_with(&self, secret: &str) -> u16 {
        static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let (id, now) = (format!("msg_{number}"), Timestamp::now());
        let body = senders::event("f", now, number);
        eventually(async || {
            let status =
                self.offer(&id, signed_by(secret, &id, now, &body), &body).await.expect("it answers");
            (status != 503).then_some(status)
        })
        .await
    }

    /// Checks whether deliveries are taken with each secret.
    async fn check(&self, secrets: &[(&str, bool)]) {
        for (secret, is_taken) in secrets {
            let expected = if *is_taken { 202 } else { 401 };
            assert_eq!(self.status_with(secret).await, expected, "{secret}");
        }
    }

    /// Waits until a secret is good that was not.
    async fn knows(&self, secret: &str) {
        eventually(async || (self.status_with(secret).await == 202).then_some(())).await;
    }
}

#[tokio::test]
async fn a_signal_has_the_settings_read_at_once() {
    let tenant = tenant().await;
    let mut service = serve(&tenant, SETTINGS, OLD).start();
    let addresses = service.ready().await;
    addresses.check(&[(OLD, true), (NEW, false)]).await;
    write(&service.path("secret"), NEW);
    service.signal("HUP");
    let line = service.logged(TAKEN).await;
    assert!(line.contains("source.count=1") && line.contains("route.count=0"), "{line}");
    addresses.check(&[(OLD, false), (NEW, true)]).await;
    service.signal("TERM");
    let output = service.exit().await;
    assert_eq!(output.code, Some(0));
    assert!(!output.stderr.contains(&NEW[6..]), "a secret is in the log");
}

#[tokio::test]
async fn a_file_that_is_edited_renamed_or_behind_a_link_that_is_turned_is_noticed() {
    let tenant = tenant().await;
    // As Kubernetes mounts a secret: the file is a link into a link that is turned.
    let settings = SETTINGS.replace("\"secret\"", "\"mount/secret\"");
    let mount = format!(
        "mkdir -p mount/..1 && printf %s {OLD} > mount/..1/secret && ln -s ..1 mount/..data && \
         ln -s ..data/secret mount/secret"
    );
    let mut service = serve(&tenant, &settings, "").through_sh(&mount).start();
    let addresses = service.ready().await;
    addresses.check(&[(OLD, true)]).await;

    fs::create_dir(service.path("mount/..2")).expect("a folder");
    write(&service.path("mount/..2/secret"), NEW);
    symlink("..2", service.path("mount/..data_tmp")).expect("a link");
    fs::rename(service.path("mount/..data_tmp"), service.path("mount/..data")).expect("it turns");
    addresses.knows(NEW).await;
    addresses.check(&[(OLD, false)]).await;

    write(&service.path("mount/..2/secret"), NEWER);
    addresses.knows(NEWER).await;

    write(&service.path("mount/next"), OLD);
    fs::rename(service.path("mount/next"), service.path("mount/secret")).expect("a rename");
    addresses.knows(OLD).await;

    // Other settings than the secret, by a new settings file.
    write(&service.path("next.toml"), &settings.replace("\"mount/secret\"", "\"secret\""));
    write(&service.path("secret"), NEW);
    fs::rename(service.path("next.toml"), service.path("flowhook.toml")).expect("a rename");
    addresses.knows(NEW).await;
}

#[tokio::test]
async fn a_dot_env_file_that_appears_is_noticed() {
    let tenant = tenant().await;
    let settings = SETTINGS.replace("[{ file = \"secret\" }]", &format!("[\"{OLD}\", {{ env = \"NEXT\" }}]"));
    let mut service = serve(&tenant, &settings, "").env("NEXT", NEW).start();
    let addresses = service.ready().await;
    addresses.check(&[(OLD, true), (NEW, true)]).await;
    // The environment is over it.
    write(&service.path(".env"), &format!("NEXT={NEWER}\nFLOWHOOK_ALLOWED_FLOWS=other\n"));
    service.logged(TAKEN).await;
    assert_eq!(addresses.status_with(NEWER).await, 401);
    assert_eq!(addresses.status_with(NEW).await, 422, "the flow is not among those that are allowed");
}

#[tokio::test]
async fn what_cannot_be_used_changes_nothing_and_is_told_once() {
    let tenant = tenant().await;
    let mut service = serve(&tenant, SETTINGS, OLD).start();
    let addresses = service.ready().await;

    swap(&service.path("flowhook.toml"), &SETTINGS.replace("standard-webhooks", "standart-webhooks"));
    let line = service.logged_times(REFUSED, 1).await;
    assert!(line.contains("sources.config.scheme in flowhook.toml names no scheme"), "{line}");
    addresses.check(&[(OLD, true)]).await;

    swap(&service.path("flowhook.toml"), "[sources.config");
    let line = service.logged_times(REFUSED, 2).await;
    assert!(line.contains("flowhook.toml is not TOML at line 1"), "{line}");
    addresses.check(&[(OLD, true)]).await;

    swap(&service.path("flowhook.toml"), SETTINGS);
    service.logged_times(TAKEN, 1).await;

    fs::remove_file(service.path("secret")).expect("it is there");
    let line = service.logged_times(REFUSED, 3).await;
    assert!(
        line.contains("sources.config.secrets[0] in flowhook.toml names a file that cannot be read"),
        "{line}"
    );
    addresses.check(&[(OLD, true)]).await;
    swap(&service.path("secret"), &format!("{OLD}\n{NEW}\n"));
    service.logged_times(TAKEN, 2).await;
    addresses.check(&[(OLD, true), (NEW, true)]).await;

    service.signal("TERM");
    let output = service.exit().await;
    assert_eq!(output.stderr.matches(REFUSED).count(), 3, "{}", output.stderr);
    assert!(!output.stderr.contains(&OLD[6..]) && !output.stderr.contains(&NEW[6..]), "{}", output.stderr);
}

#[tokio::test]
async fn what_only_a_start_takes_is_named_and_stays_as_it_is() {
    let tenant = tenant().await;
    let mut service = serve(&tenant, SETTINGS, OLD).start();
    let addresses = service.ready().await;
    let more = "[journal]\nqueue_capacity = 5\nlocation = \"sqlite:other.db\"\n[log]\nfilter = \"warn\"\n";
    write(&service.path("flowhook.toml"), &format!("{SETTINGS}{more}"));
    write(&service.path("secret"), NEW);
    service.logged("journal.queue_capacity in flowhook.toml is taken by a start only").await;
    service.logged("journal.location in flowhook.toml is taken by a start only").await;
    addresses.knows(NEW).await;
    service.signal("TERM");
    let output = service.exit().await;
    assert!(!output.left.contains(&"other.db".to_owned()), "{output:?}");
    assert!(!output.stderr.contains("stopping: new deliveries"), "its log filter is the new one");

    // What the next start would refuse is refused, though this one would not look at it.
    let mut service = serve(&tenant, SETTINGS, OLD).start();
    service.ready().await;
    write(&service.path("flowhook.toml"), &format!("{SETTINGS}[journal]\nqueue_capacity = 0\n"));
    let line = service.logged(REFUSED).await;
    assert!(line.contains("journal.queue_capacity in flowhook.toml must be a number"), "{line}");
}

#[tokio::test]
async fn an_admin_api_that_others_can_reach_keeps_its_token() {
    let tenant = tenant().await;
    let admin = "[server]\nadmin_listen = \"0.0.0.0:0\"\nadmin_token = \"first\"\n";
    let program = Program::flowhook(&["--config", "flowhook.toml", "serve"]).at(&tenant);
    let program = program.env("FLOWHOOK_LISTEN", "127.0.0.1:0").file("secret", OLD);
    let mut service = program.file("flowhook.toml", &format!("{SETTINGS}{admin}")).start();
    let addresses = service.ready().await;
    let status = async |token: &str| {
        let url = format!("http://127.0.0.1:{}/api/changes", addresses.admin.port());
        let asked = crate::program::client().get(url).bearer_auth(token).send();
        asked.await.expect("it answers").status().as_u16()
    };
    assert_eq!((status("first").await, status("second").await), (200, 401));
    // By these settings it would listen on loopback, and there it needs none; but it does not.
    write(&service.path("flowhook.toml"), &format!("{SETTINGS}[server]\nadmin_listen = \"127.0.0.1:0\"\n"));
    let line = service.logged(REFUSED).await;
    assert!(line.contains("0.0.0.0:0") && line.contains("FLOWHOOK_ADMIN_TOKEN"), "{line}");
    assert_eq!(status("first").await, 200);

    write(&service.path("flowhook.toml"), &format!("{SETTINGS}{}", admin.replace("first", "second")));
    service.logged(TAKEN).await;
    assert_eq!((status("first").await, status("second").await), (401, 200));
}

#[tokio::test]
async fn a_new_client_secret_ends_the_pause_that_the_refused_one_began() {
    let tenant = tenant().await;
    // For longer than this test has patience.
    let refusal = Canned::status(401).json(r#"{"error":"invalid_client"}"#).retry_after("300");
    tenant.fault(Fault::token(FaultKind::Status(refusal)));
    let program = serve(&tenant, SETTINGS, OLD).file("client", "wrong\n");
    let program = program.through_sh("unset CXONE_CLIENT_SECRET").env("CXONE_CLIENT_SECRET_FILE", "client");
    let mut service = program.start();
    let addresses = service.ready().await;
    service.logged("the token endpoint refused the client").await;
    addresses.check(&[(OLD, true)]).await;
    write(&service.path("client"), tenant.client_secret());
    service.logged(TAKEN).await;
    addresses.settled().await;
    assert_eq!(addresses.changes().await[0]["state"], "published");
}

#[tokio::test]
async fn a_hang_up_neither_ends_a_service_that_stops_nor_one_that_practises() {
    let tenant = tenant().await;
    let mut service = serve(&tenant, SETTINGS, OLD).start();
    let addresses = service.ready().await;
    let hold = tenant.hold("f");
    addresses.check(&[(OLD, true)]).await;
    tenant.wait_until(|tenant| tenant.calls().put > 0).await.expect("it publishes");
    service.signal("TERM");
    service.logged("new deliveries are refused").await;
    service.signal("HUP");
    hold.release();
    assert_eq!(service.exit().await.code, Some(0));

    let mut practice = Program::flowhook(&["serve", "--sandbox"]).on_free_ports().start();
    practice.ready().await;
    practice.signal("HUP");
    practice.logged("settings are not read again with --sandbox").await;
    practice.signal("TERM");
    assert_eq!(practice.exit().await.code, Some(0));
}

/// Edits the file in place and waits until its secrets are in force.
async fn edit(service: &mut Running, secrets: &str, times: usize) {
    write(&service.path("secret"), secrets);
    service.logged_times(TAKEN, times).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotating_a_secret_by_editing_its_file_loses_no_delivery_under_load() {
    const MORE: usize = 60;
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    let flows = flows(6);
    add_flows(&tenant, &flows);
    let mut load = Load::begin(&flows, &mut fastrand::Rng::new());
    let mut service = serve(&tenant, SETTINGS, OLD).start();
    let addresses = service.ready().await;
    load.send_to(addresses);
    load.more(MORE).await;

    edit(&mut service, &format!("{OLD}\n{NEW}\n"), 1).await;
    load.more(MORE).await;
    load.sign_with(NEW);
    load.more(MORE).await;
    edit(&mut service, NEW, 2).await;
    load.more(MORE).await;

    let (acknowledged, refusals) = load.end().await;
    assert!(refusals.keys().all(|status| *status == 503), "{refusals:?}");
    assert_eq!(addresses.status_with(OLD).await, 401);
    addresses.settled().await;
    println!("{}", assert_true(addresses, &tenant, &acknowledged).await);
}

#[tokio::test]
async fn a_delivery_is_verified_and_judged_by_the_settings_that_it_found() {
    let mut world = World::start().await;
    world.add_flow("f");
    let body = senders::event("f", Timestamp::now(), 1);
    let mut begun = Wire::connect(world.address()).await;
    let mut head = format!("POST /hooks/config HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in &signed_by(OLD, "msg_begun", Timestamp::now(), &body) {
        head += &format!("{name}: {}\r\n", value.to_str().expect("ASCII"));
    }
    begun.send(format!("{head}expect: 100-continue\r\n\r\n")).await;
    assert_eq!(begun.answer().await.status, 100, "its head was read, and its body is asked for");

    world.reload(&[("FLOWHOOK_WEBHOOK_SECRET", NEW), ("FLOWHOOK_ALLOWED_FLOWS", "other")]);
    assert_eq!(world.offer(event("f", 2)).await.status, 401);
    begun.send(body).await;
    assert_eq!(begun.answer().await.status, 202);
}
