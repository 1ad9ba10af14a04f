//! The same work done by others: the best known webhook runner, and the script of the public tutorial.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::Settings;
use crate::accepts::{tell, to_bare, to_paused};
use crate::delivery::{NODE, SECRET, Signer, flow_id};
use crate::figures::{ms, thousands};
use crate::journal;
use crate::load::{CONNECTIONS, Run};
use crate::median::median;
use crate::process::{Process, Service, folder, free_address};
use crate::tenant::Tenant;

/// Running a command for each request takes its time: fewer will do.
const RUNNING: usize = 3_000;

/// adnanh/webhook, as Debian has it: it keeps nothing on disk. Once it only verifies, since a second rule is not met;
/// once it starts `/bin/true` as well, the least that it can do for a webhook, and answers before that has ended.
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
        running.push(to_webhook(settings.at_most(RUNNING), true)?);
    }
    println!(
        "beside adnanh/webhook, {CONNECTIONS} connections, {} deliveries a run, {} where a command is run; all of them \
         are accepted, none is published:",
        thousands(settings.deliveries as f64),
        thousands(settings.at_most(RUNNING) as f64),
    );
    tell("bare axum", &bare, &bare);
    tell("flowhook: verified, and on disk", &flowhook, &bare);
    tell("webhook: verified", &verifying, &bare);
    tell("webhook: verified, and /bin/true is started", &running, &bare);
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
    let mut command = Command::new("webhook");
    command.arg("-hooks").arg(&hooks).args(["-ip", "127.0.0.1", "-port", &port]);
    let process = Process::listening(address, &mut command)?;
    let signer = Signer::new();
    process.send(CONNECTIONS, (0..deliveries).map(|value| signer.sign_as_hub(0, value)).collect())
}

/// So many changes, so many at once, over so many flows of a tenant that takes so long over a call.
const CHANGES: usize = 200;
const AT_ONCE: usize = 20;
const FEW_FLOWS: usize = 10;
const LATENCY: Duration = Duration::from_millis(20);
/// What a colleague keeps in the same node.
const COLLEAGUES: &str = "greeting_prompt";
/// The script's waits after a conflict: twice as long each time, until it gives up.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const TRIES: u32 = 5;

/// How all changes were carried to the tenant.
struct Carried {
    took: Duration,
    /// How many senders were told that all is well.
    accepted: usize,
    /// How many were written, and how many a newer one made needless.
    published: usize,
    superseded: usize,
}

/// What the tenant tells of it.
struct Told {
    carried: Carried,
    calls: u64,
    /// Flows that do not hold the value that was sent last.
    stale: usize,
    /// Flows without the colleague's variable.
    wiped: usize,
}

/// The tutorial's algorithm beside flowhook: read the flow, put its own three variables in place of the node's list,
/// write it back, and begin anew after a conflict.
pub(crate) fn script(settings: &Settings) -> Result<()> {
    let (mut script, mut flowhook) = (Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        script.push(told(by_script)?);
        flowhook.push(told(by_flowhook)?);
    }
    println!("{CHANGES} changes, {AT_ONCE} at once, over {FEW_FLOWS} flows, {LATENCY:?} a call:");
    for (name, runs) in [("the tutorial's script", script), ("flowhook", flowhook)] {
        let of = |figure: fn(&Told) -> usize| median(runs.iter().map(|told| figure(told) as f64));
        println!(
            "  {name}: {} in all, {} flow calls; {} accepted, {} published, {} superseded; {} flows end with an older \
             value, {} without a colleague's variable",
            ms(median(runs.iter().map(|told| told.carried.took.as_secs_f64() * 1e6))),
            median(runs.iter().map(|told| told.calls as f64)),
            of(|told| told.carried.accepted),
            of(|told| told.carried.published),
            of(|told| told.carried.superseded),
            of(|told| told.stale),
            of(|told| told.wiped),
        );
    }
    Ok(())
}

fn told(carry: fn(&Tenant) -> Result<Carried>) -> Result<Told> {
    let tenant = Tenant::start(FEW_FLOWS, LATENCY)?;
    let carried = carry(&tenant)?;
    let (gets, puts) = tenant.flow_calls();
    let held = |name: &str, flow: usize| tenant.sandbox.variable(&flow_id(flow), NODE, name);
    let last = |flow: usize| Some((CHANGES - FEW_FLOWS + flow).to_string());
    let count = |which: &dyn Fn(usize) -> bool| (0..FEW_FLOWS).filter(|flow| which(*flow)).count();
    Ok(Told {
        carried,
        calls: gets + puts,
        stale: count(&|flow| held("max_wait_time_seconds", flow) != last(flow)),
        wiped: count(&|flow| held(COLLEAGUES, flow).is_none()),
    })
}

/// Each change is sent as a webhook. The clock runs from the first until all are settled.
fn by_flowhook(tenant: &Tenant) -> Result<Carried> {
    let folder = folder()?;
    let (service, _) = Service::start(folder.path(), Some(&tenant.sandbox))?;
    let deliveries = Signer::new().many(CHANGES, FEW_FLOWS);
    let begun = Instant::now();
    let run = service.process.send(AT_ONCE, deliveries)?;
    service.until_settled()?;
    let took = begun.elapsed();
    service.kill()?;
    let endings = journal::endings(folder.path(), Timestamp::now())?;
    Ok(Carried {
        took,
        accepted: run.answers.count(),
        published: usize::try_from(endings.published)?,
        superseded: usize::try_from(endings.superseded)?,
    })
}

/// Each change is a run of the script, all of them with one token. The clock runs from the first until the last ends.
fn by_script(tenant: &Tenant) -> Result<Carried> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let base = tenant.sandbox.base_url();
    runtime.block_on(async {
        let http = reqwest::Client::new();
        let token = token(&http, &base).await?;
        let next = Arc::new(AtomicUsize::new(0));
        let mut scripts = JoinSet::new();
        let begun = Instant::now();
        for _ in 0..AT_ONCE {
            let (http, base, token, next) = (http.clone(), base.clone(), token.clone(), Arc::clone(&next));
            scripts.spawn(async move {
                let mut written = 0;
                loop {
                    let change = next.fetch_add(1, Ordering::Relaxed);
                    if change >= CHANGES {
                        return anyhow::Ok(written);
                    }
                    let url = format!("{base}/api/v2/flows/{}", flow_id(change % FEW_FLOWS));
                    written += usize::from(run_script(&http, &url, &token, change).await?);
                }
            });
        }
        let mut written = 0;
        while let Some(ended) = scripts.join_next().await {
            written += ended??;
        }
        Ok(Carried { took: begun.elapsed(), accepted: written, published: written, superseded: 0 })
    })
}

async fn token(http: &reqwest::Client, base: &str) -> Result<String> {
    let form = "grant_type=client_credentials&client_id=sandbox-client&client_secret=sandbox-secret\
                &scope=flow:flows:read%20flow:flows:write";
    let asked = http.post(format!("{base}/oauth/token")).body(form);
    let asked = asked.header("Content-Type", "application/x-www-form-urlencoded");
    let answer: Value = asked.send().await?.error_for_status()?.json().await?;
    Ok(answer["access_token"].as_str().context("no token")?.to_owned())
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
