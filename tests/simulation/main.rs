//! A deterministic simulation of everything between a verified delivery and a published flow: the queue and
//! its writer, the worker with its lanes, the folding, the publish, the tenant client with its gate and tokens.
//! All of that is the real code. Simulated are the journal's disk, the tenant, the configuration API, senders,
//! designers, operators, the clock, and the process, which is killed and started again.
//!
//! One thread, a paused clock and one seed: so a seed is a world, and replays exactly. How long everything takes,
//! and so in which order it happens, is drawn from the seed as well. What must hold in every world is checked
//! where it would break: at each call's start ([`calls`]), at each save ([`tenant`]), at each commit
//! ([`journal`]), at each acknowledgement ([`senders`]), and when all is calm again ([`judge`]).
//!
//! ```sh
//! cargo test --test simulation                                 # 1,000 fresh seeds, and the scenarios
//! SIMULATION_SEEDS=10000 cargo test --test simulation fresh    # more of them
//! SIMULATION_SEED=42 cargo test --test simulation fresh -- --nocapture   # one, with all that happens in it
//! ```

#![expect(clippy::panic, reason = "a test that has found something says so")]

mod calls;
mod disk;
mod fault;
mod flow;
mod ground;
mod journal;
mod judge;
mod life;
mod people;
mod plan;
mod same_answers;
mod scenarios;
mod senders;
mod tenant;
mod world;

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// How many seeds a run lives through, unless `SIMULATION_SEEDS` says otherwise.
const SEEDS: u64 = 1000;
/// So many worlds that went wrong are enough to look at.
const SHOWN: usize = 5;

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("`{value}` is no number: {name} is one")))
}

#[test]
fn in_a_thousand_fresh_worlds_every_promise_holds() {
    if let Some(seed) = setting("SIMULATION_SEED") {
        let fate = world::live(seed, true);
        fate.lines.iter().for_each(|line| println!("{line}"));
        assert!(fate.violations.is_empty(), "seed {seed}: {:#?}", fate.violations);
        return;
    }
    let count = setting("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let first = setting("SIMULATION_FIRST").unwrap_or_else(|| fastrand::u64(..1 << 48));
    println!("seeds {first} to {}", first + count - 1);
    let next = AtomicU64::new(first);
    let live_on = || {
        let mut wrong = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count || wrong.len() >= SHOWN {
                break wrong;
            }
            let violations = world::live(seed, false).violations;
            if !violations.is_empty() {
                wrong.push((seed, violations));
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let mut wrong: Vec<_> = thread::scope(|scope| {
        let workers = Vec::from_iter((0..threads).map(|_| scope.spawn(live_on)));
        workers.into_iter().flat_map(|worker| worker.join().expect("no world panics")).collect()
    });
    wrong.sort();
    let after = wrong.first().map_or(0, |(seed, _)| seed - first + 1);
    let wrong = &wrong[..wrong.len().min(SHOWN)];
    assert!(
        wrong.is_empty(),
        "world {after} of {count} went wrong; SIMULATION_SEED={} replays it: {wrong:#?}",
        wrong[0].0
    );
}

#[test]
fn a_seed_makes_the_same_world_again() {
    for seed in 0..40 {
        assert_eq!(world::live(seed, false).digest, world::live(seed, true).digest, "seed {seed}");
    }
}
