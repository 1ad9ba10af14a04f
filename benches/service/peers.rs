//! The same work done by others: the best known webhook runner, and the script of the public tutorial.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::Settings;
use crate::accepts::{tell, to_bare, to_paused};
use crate::delivery::{NODE, SECRET, Signer, flow_id};
use crate::figures::{median, ms};
use crate::load::{Run, send};
use crate::process::{Process, Service, folder, free_address, until_listening};
use crate::tenant::Tenant;

const CONNECTIONS: usize = 256;
/// Running a command for each request takes its time: fewer will do.
const RUNNING: usize = 3_000;

/// adnanh/webhook, as Debian has it: it keeps nothing on disk. Once it only verifies, since a second rule is not
/// met; once it runs `/bin/true`, which is the least that it can do for a webhook.
pub(crate) fn webhook(settings: &Settings) -> Result<()> {
    if Command::new("webhook").arg("-version").output().is_err() {
        println!("adnanh/webhook is not installed: apt-get install webhook");
        return Ok(());
    }
    let (mut bare, mut flowhook, mut verifying, mut running) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        bare.push(to_bare(CONNECTIONS, settings.deliveries)?);
        flowhook.push(to_paused(CONNECTIONS, settings.deliveries)?.0);
        verifying.push(to_webhook(settings.deliveries, false)?);
        running.push(to_webhook(RUNNING, true)?);
    }
    println!("beside adnanh/webhook, {CONNECTIONS} connections:");
    tell("bare axum", &bare, &bare);
    tell("flowhook: verified, and on disk", &flowhook, &bare);
    tell("webhook: verified", &verifying, &bare);
    tell("webhook: verified, and /bin/true is run", &running, &bare);
    Ok(())
}

fn to_webhook(deliveries: usize, runs: bool) -> Result<Run> {
    let signature = json!({"match": {
        "type": "payload-hmac-sha256",
        "secret": SECRET,
        "parameter": {"source": "header", "name": "X-Hub-Signature-256"},
    }});
    let never = json!({"match": {
        "type": "value",
        "value": "yes",
        "parameter": {"source": "header", "name": "X-Run"},
    }});
    let rules = if runs { vec![signature] } else { vec![signature, never] };
    let hook = json!({"id": "config", "execute-command": "/bin/true", "trigger-rule": {"and": rules}});
    let folder = folder()?;
    let hooks = folder.path().join("hooks.json");
    fs::write(&hooks, json!([hook]).to_string())?;
    let address = free_address()?;
    let port = address.port().to_string();
    let _process = Process::spawn(Command::new("webhook").arg("-hooks").arg(&hooks).args([
        "-ip",
        "127.0.0.1",
        "-port",
        &port,
    ]))?;
    until_listening(address)?;
    let signer = Signer::new();
    let run =
        send(address, CONNECTIONS, (0..deliveries).map(|value| signer.sign_as_hub(0, value)).collect())?;
    ensure!(run.refused == 0, "webhook refused {} deliveries", run.refused);
    Ok(run)
}

/// So many changes, so many at once, over so many flows of a tenant that takes so long over a call.
const CHANGES: usize = 200;
const AT_ONCE: usize = 20;
const FLOWS: usize = 10;
const LATENCY: Duration = Duration::from_millis(20);
/// What a colleague keeps in the same node.
const COLLEAGUES: &str = "greeting_prompt";
/// The script's waits after a conflict: twice as long each time, until it gives up.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const TRIES: u32 = 5;

/// The tutorial's algorithm beside flowhook: read the flow, put its own three variables in place of the node's list,
/// write it back, and begin anew after a conflict.
pub(crate) fn script(settings: &Settings) -> Result<()> {
    println!("{CHANGES} changes, {AT_ONCE} at once, over {FLOWS} flows, {LATENCY:?} a call:");
    for (name, carry) in
        [("the tutorial's script", by_script as fn(&Tenant) -> Result<usize>), ("flowhook", by_flowhook)]
    {
        let (mut took, mut calls, mut failed, mut stale, mut wiped) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..settings.runs {
            let tenant = Tenant::start(FLOWS, LATENCY)?;
            let begun = Instant::now();
            failed.push(carry(&tenant)? as f64);
            took.push(begun.elapsed().as_secs_f64() * 1e6);
            let (get, put) = tenant.flow_calls();
            calls.push((get + put) as f64);
            let held = |name: &str, flow: usize| tenant.sandbox.variable(&flow_id(flow), NODE, name);
            let last = |flow: usize| Some((CHANGES - FLOWS + flow).to_string());
            let count = |which: &dyn Fn(usize) -> bool| (0..FLOWS).filter(|flow| which(*flow)).count() as f64;
            stale.push(count(&|flow| held("max_wait_time_seconds", flow) != last(flow)));
            wiped.push(count(&|flow| held(COLLEAGUES, flow).is_none()));
        }
        println!(
            "  {name}: {} in all, {} flow calls, {} changes given up; {} flows end with an older value, {} without a colleague's variable",
            ms(median(took)),
            median(calls),
            median(failed),
            median(stale),
            median(wiped),
        );
    }
    Ok(())
}

/// Each change is sent as a webhook; how many failed.
fn by_flowhook(tenant: &Tenant) -> Result<usize> {
    let folder = folder()?;
    let (service, _) = Service::start(folder.path(), Some(&tenant.sandbox))?;
    let run = send(service.address, AT_ONCE, Signer::new().many(CHANGES, FLOWS))?;
    service.until_settled()?;
    Ok(run.refused)
}

/// Each change is a run of the script; how many gave up.
fn by_script(tenant: &Tenant) -> Result<usize> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let base = tenant.sandbox.base_url();
    runtime.block_on(async {
        let http = reqwest::Client::new();
        let form = "grant_type=client_credentials&client_id=sandbox-client&client_secret=sandbox-secret\
                    &scope=flow:flows:read%20flow:flows:write";
        let asked = http.post(format!("{base}/oauth/token")).body(form);
        let answer: Value = asked
            .header("Content-Type", "application/x-www-form-urlencoded")
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        let token = answer["access_token"].as_str().context("no token")?.to_owned();
        let next = Arc::new(AtomicUsize::new(0));
        let mut scripts = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (http, base, token, next) = (http.clone(), base.clone(), token.clone(), Arc::clone(&next));
            scripts.spawn(async move {
                let mut failed = 0;
                loop {
                    let change = next.fetch_add(1, Ordering::Relaxed);
                    if change >= CHANGES {
                        return anyhow::Ok(failed);
                    }
                    let url = format!("{base}/api/v2/flows/{}", flow_id(change % FLOWS));
                    failed += usize::from(!run_script(&http, &url, &token, change).await?);
                }
            });
        }
        let mut failed = 0;
        while let Some(ended) = scripts.join_next().await {
            failed += ended??;
        }
        Ok(failed)
    })
}

/// One run of the script; whether it wrote its change.
async fn run_script(http: &reqwest::Client, url: &str, token: &str, value: usize) -> Result<bool> {
    let mut wait = FIRST_WAIT;
    for _ in 0..TRIES {
        let read = http.get(url).bearer_auth(token).header("Accept", "application/json");
        let mut document: Value = read.send().await?.error_for_status()?.json().await?;
        let nodes = document["flow"]["nodes"].as_array_mut().context("no nodes")?;
        let node = nodes.iter_mut().find(|node| node["id"] == NODE).context("no such node")?;
        node["configuration"]["variables"] = json!([
            {"name": "routing_priority", "value": "high"},
            {"name": "queue_target", "value": "vip"},
            {"name": "max_wait_time_seconds", "value": value},
        ]);
        let write = http.put(url).bearer_auth(token).header("Accept", "application/json");
        match write.json(&document).send().await?.status() {
            StatusCode::OK => return Ok(true),
            StatusCode::CONFLICT => {}
            other => bail!("the practice tenant answered {other}"),
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    Ok(false)
}
