//! `serve --sandbox` and `demo`, as a newcomer runs them: with nothing set.

use serde_json::json;

use crate::practising::{FLOW, assert_installed, bash, paragraph, practising};
use crate::program::Program;

#[tokio::test]
async fn what_serve_sandbox_prints_works_when_it_is_pasted() {
    assert_installed(&["bash", "openssl", "curl", "od", "tr"]).await;
    let (service, addresses, printed) = practising(Program::flowhook(&["serve", "--sandbox"])).await;
    let snippet = paragraph(&printed, "body=");
    assert!(snippet.contains(&addresses.public.to_string()), "{snippet}");
    let nodes = paragraph(&printed, "export ");
    let before = bash(nodes).await;
    assert!(before.contains(&format!("flow {FLOW} \"Inbound sales\", version 14")), "{before}");
    assert!(before.contains("queue_target = \"general\""), "{before}");

    let first = bash(snippet).await;
    assert!(first.starts_with("HTTP/1.1 202 Accepted"), "{first}");
    addresses.settled().await;
    let second = bash(snippet).await;
    assert!(second.starts_with("HTTP/1.1 202 Accepted"), "{second}");
    addresses.settled().await;

    let after = bash(nodes).await;
    assert!(after.contains("version 15"), "{after}");
    for variable in ["routing_priority = \"high\"", "queue_target = \"vip\"", "max_wait_time_seconds = 30"] {
        assert!(after.contains(variable), "{variable} in {after}");
    }
    let changes = bash(paragraph(&printed, "curl ")).await;
    let changes: serde_json::Value = serde_json::from_str(&changes).expect("JSON");
    let states: Vec<_> = changes["changes"].as_array().expect("a list").iter().map(|c| &c["state"]).collect();
    assert_eq!(states, ["unchanged", "published"], "newest first");

    service.signal("TERM");
    let output = service.exit().await;
    assert_eq!((output.code, output.left), (Some(0), vec![]), "it leaves nothing behind");
}

#[tokio::test]
async fn practising_in_a_real_services_folder_touches_nothing_of_it() {
    let program = Program::flowhook(&["serve", "--sandbox"]).file(
        ".env",
        "CXONE_BASE_URL=http://127.0.0.1:9\nCXONE_CLIENT_ID=real\nCXONE_CLIENT_SECRET_FILE=real-secret\n\
         FLOWHOOK_WEBHOOK_SECRET_FILE=real-webhook-secret\nFLOWHOOK_JOURNAL=sqlite:real.db\n\
         FLOWHOOK_ALLOWED_FLOWS=real-flow\nCXONE_FLOW_ID=real-flow\nTARGET_NODE_ID=real-node\n",
    );
    let (service, addresses, printed) = practising(program).await;
    assert!(bash(paragraph(&printed, "body=")).await.starts_with("HTTP/1.1 202"));
    addresses.settled().await;
    assert_eq!(addresses.ask("/api/changes").await["changes"][0]["state"], json!("published"));
    service.signal("TERM");
    let output = service.exit().await;
    assert_eq!((output.code, output.left), (Some(0), vec![".env".to_owned()]));
}

#[tokio::test]
async fn the_demo_shows_the_whole_path_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().expect("a folder");
    let path = temporary.path().to_str().expect("UTF-8").to_owned();
    for _ in 0..2 {
        let output = Program::flowhook(&["demo"]).env("TMPDIR", &path).output().await;
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{}", output.stdout);
        for part in ["202 Accepted", "published as version 15", "queue_target = \"vip\"", "byte-identical"] {
            assert!(output.stdout.contains(part), "{part} in {}", output.stdout);
        }
        assert_eq!(output.left, Vec::<String>::new());
        assert_eq!(std::fs::read_dir(&path).expect("the folder is ours").count(), 0);
    }
}
