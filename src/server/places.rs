//! Places, of which there are only so many, and who gives way when all are taken.
//!
//! All of them stand in a line, in the order in which they came. When somebody comes and no place is free, the
//! first of the line that we wait for is shown out: who has kept us waiting longest. Someone that we are at work
//! for is passed over; afterwards it stands where it stood, or, if it has earned that, at the end.
//!
//! So a peer of good will, which has all it needs to say at hand, is far back in the line until it is done,
//! however many others dawdle; and one that dawdles costs us its place only as long as nobody else wants it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// How long each stands in the line before it can be shown out: by then the answer of success that sent it there is
/// on its way, and newcomers in a flood do not drive out each other at once.
pub const GRACE: Duration = Duration::from_millis(100);
/// One of so many places is kept free.
const SPARE_OF: usize = 16;
/// How often it is logged at most that somebody was shown out.
const TELL_EVERY: Duration = Duration::from_secs(10);
const NS_PER_MS: u64 = 1_000_000;

/// So many places.
#[derive(Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    /// So many are kept free as long as somebody can be shown out, so that newcomers in a rush need not wait one
    /// by one for others to be gone.
    spare: usize,
    shared: Arc<Shared>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    guest: Arc<Guest>,
    shared: Arc<Shared>,
    _held: OwnedSemaphorePermit,
}

/// Where in the line one stands that we were at work for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Where it stood before.
    AsBefore,
    /// At the end.
    Last,
}

/// What all that have places share.
#[derive(Debug)]
struct Shared {
    /// What the places are for, as the log says it.
    what: &'static str,
    made_at: Instant,
    /// When somebody last went to the end, as [`Guest::since`].
    last: AtomicU64,
    line: Mutex<Line>,
}

/// Who has a place. Each delivery sends its peer to the end, which takes no lock: the line hears of it when somebody is
/// to be shown out.
#[derive(Debug)]
struct Guest {
    /// When it came, or was last sent to the end: nothing else that it asks for begins its grace anew. In nanoseconds
    /// since the places were made, and no two have the same.
    since: AtomicU64,
    /// The same, as the line knows it: moved under its lock.
    in_line: AtomicU64,
    /// Whether we are at work for it.
    is_served: AtomicBool,
    shown_out: CancellationToken,
}

/// Those that have places, in the order in which they came.
#[derive(Debug, Default)]
struct Line {
    /// Each by when it came, as far as the line knows: it may have gone to the end since.
    guests: BTreeMap<u64, Arc<Guest>>,
    /// How many have had to give way.
    count: u64,
    /// How many of them still have their places.
    leaving: usize,
    told_at: Option<Instant>,
}

impl Places {
    /// `count` places for `what`.
    pub fn new(what: &'static str, count: usize) -> Self {
        let shared =
            Shared { what, made_at: Instant::now(), last: AtomicU64::new(0), line: Mutex::default() };
        Self { free: Arc::new(Semaphore::new(count)), spare: count / SPARE_OF, shared: Arc::new(shared) }
    }

    /// A place: a free one, or that of the first of the line, or the next that becomes free.
    pub async fn take(&self) -> Place {
        let held = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(held) => held,
            Err(_) => self.make_room().await,
        };
        let place = Place { guest: self.shared.join(), shared: Arc::clone(&self.shared), _held: held };
        while self.is_short_of(self.spare) && matches!(self.show_out(), ShowingOut::Done { .. }) {}
        place
    }

    /// Whether fewer places than that are free, or about to be.
    fn is_short_of(&self, places: usize) -> bool {
        self.free.available_permits() + self.shared.line().leaving < places
    }

    async fn make_room(&self) -> OwnedSemaphorePermit {
        let mut freed = pin!(Arc::clone(&self.free).acquire_owned());
        let freed = loop {
            if let ShowingOut::Done { .. } = self.show_out() {
                break freed.await;
            }
            // Whoever joins the line from now on can be shown out after this.
            if let Ok(freed) = timeout(GRACE, freed.as_mut()).await {
                break freed;
            }
        };
        freed.expect("the semaphore is never closed")
    }

    /// Shows out all that there are, whatever we are at for them.
    pub fn show_all_out(&self) {
        let mut line = self.shared.line();
        let guests = std::mem::take(&mut line.guests);
        line.leaving += guests.len();
        guests.values().for_each(|guest| guest.shown_out.cancel());
    }

    /// Shows out the first of the line, if there is one that can be.
    fn show_out(&self) -> ShowingOut {
        let shown_out = self.shared.line().show_out(self.shared.now());
        if let ShowingOut::Done { news: Some(count) } = shown_out {
            tracing::warn!(
                place.kind = self.shared.what,
                place.shown_out = count,
                "all places are taken, so who keeps us waiting longest gives way"
            );
        }
        shown_out
    }
}

impl Place {
    /// The peer waits for us: nobody shows it out.
    pub fn waits_for_us(&self) {
        self.guest.is_served.store(true, Ordering::Release);
    }

    /// We wait for the peer.
    pub fn waits(&self, turn: Turn) {
        match turn {
            Turn::AsBefore => {}
            Turn::Last => self.guest.since.store(self.shared.next(), Ordering::Release),
        }
        // Last, so that who sees this sees where it stands.
        self.guest.is_served.store(false, Ordering::Release);
    }

    /// What `work` comes to, unless its place is needed before that.
    pub async fn until_shown_out<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.guest.shown_out.run_until_cancelled(work).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.shared.line();
        line.guests.remove(&self.guest.in_line.load(Ordering::Relaxed));
        if self.guest.shown_out.is_cancelled() {
            line.leaving -= 1;
        }
    }
}

impl Shared {
    /// Has somebody join the line.
    fn join(&self) -> Arc<Guest> {
        let since = self.next();
        let guest = Arc::new(Guest {
            since: AtomicU64::new(since),
            in_line: AtomicU64::new(since),
            is_served: AtomicBool::new(false),
            shown_out: CancellationToken::new(),
        });
        self.line().guests.insert(since, Arc::clone(&guest));
        guest
    }

    /// Now, or a little later: behind all that have come before.
    fn next(&self) -> u64 {
        let now = self.now();
        let behind = |last: u64| now.max(last + 1);
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(behind(last)));
        behind(last.unwrap_or_else(|last| last))
    }

    /// In nanoseconds since the places were made.
    fn now(&self) -> u64 {
        u64::try_from(self.made_at.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody was shown out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShowingOut {
    /// A place becomes free.
    Done {
        /// So many have had to give way, if it is time to tell.
        news: Option<u64>,
    },
    /// Nobody waits, or nobody has had its grace.
    Nobody,
}

impl Line {
    /// Shows out the first that has had its grace, if there is one.
    fn show_out(&mut self, now: u64) -> ShowingOut {
        let mut from = 0;
        while let Some((&known, guest)) = self.guests.range(from..).next() {
            let guest = Arc::clone(guest);
            // In this order: where we are done with it, we see that it has gone to the end.
            let is_served = guest.is_served.load(Ordering::Acquire);
            let since = guest.since.load(Ordering::Acquire);
            if since != known {
                guest.in_line.store(since, Ordering::Relaxed);
                self.guests.remove(&known);
                self.guests.insert(since, guest);
            } else if !has_had_grace(since, now) {
                break; // nor has who stands behind it
            } else if !is_served {
                self.guests.remove(&known);
                guest.shown_out.cancel();
                return ShowingOut::Done { news: self.one_more() };
            }
            from = known + 1;
        }
        ShowingOut::Nobody
    }

    /// One more has had to give way: how many it are, if it is time to tell.
    fn one_more(&mut self) -> Option<u64> {
        self.count += 1;
        self.leaving += 1;
        let is_news = self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY);
        if is_news {
            self.told_at = Some(Instant::now());
        }
        is_news.then_some(self.count)
    }
}

/// Whether who stands in the line since then may be shown out now. To the millisecond: what makes two that came at once
/// differ is no time that either has waited less.
fn has_had_grace(since: u64, now: u64) -> bool {
    let since = Duration::from_millis(since / NS_PER_MS);
    Duration::from_nanos(now).saturating_sub(since) >= GRACE
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::{GRACE, Place, Places, SPARE_OF, Turn};

    /// Whether the place is still its holder's.
    async fn is_held(place: &Place) -> bool {
        place.until_shown_out(std::future::ready(())).await.is_some()
    }

    async fn gave_way(place: Place) {
        assert_eq!(place.until_shown_out(pending::<()>()).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_of_the_line_gives_way_once_it_has_had_its_grace() {
        let places = Places::new("tests", 2);
        let (first, second) = (places.take().await, places.take().await);
        let begun = Instant::now();
        let (third, ()) = tokio::join!(places.take(), gave_way(first));
        assert_eq!(begun.elapsed(), GRACE);
        assert!(is_held(&second).await && is_held(&third).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_us_keeps_its_place_and_its_turn() {
        let places = Places::new("tests", 2);
        let (first, second) = (places.take().await, places.take().await);
        first.waits_for_us();
        let (third, ()) = tokio::join!(places.take(), gave_way(second));
        assert!(is_held(&first).await);
        first.waits(Turn::AsBefore);
        let (_fourth, ()) = tokio::join!(places.take(), gave_way(first));
        assert!(is_held(&third).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_earned_it_goes_to_the_end_of_the_line() {
        let places = Places::new("tests", 2);
        let (first, second) = (places.take().await, places.take().await);
        first.waits_for_us();
        first.waits(Turn::Last);
        let (_third, ()) = tokio::join!(places.take(), gave_way(second));
        assert!(is_held(&first).await);
    }

    #[tokio::test(start_paused = true)]
    async fn while_all_wait_for_us_a_newcomer_waits_for_a_place() {
        let places = Places::new("tests", 1);
        let first = places.take().await;
        first.waits_for_us();
        assert!(tokio::time::timeout(10 * GRACE, places.take()).await.is_err());
        assert!(is_held(&first).await);
        let (_second, ()) = tokio::join!(places.take(), async { drop(first) });
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_again_and_again_for_what_it_does_not_get_gains_no_time_by_it() {
        const MANY: usize = 100;
        let places = Places::new("tests", 1);
        let first = places.take().await;
        let ask = async move {
            let asked = first.until_shown_out(async {
                for _ in 0..MANY {
                    first.waits_for_us();
                    first.waits(Turn::AsBefore);
                    tokio::time::sleep(GRACE / 4).await;
                }
            });
            asked.await
        };
        let begun = Instant::now();
        let ((), second) = tokio::join!(async { assert_eq!(ask.await, None, "it gives way") }, places.take());
        assert_eq!(begun.elapsed(), GRACE);
        drop(second);
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_give_way_as_come_and_no_more() {
        let places = Places::new("tests", 3);
        let [first, second, third] = [places.take().await, places.take().await, places.take().await];
        let come = async { tokio::join!(places.take(), places.take()) };
        let (come, (), ()) = tokio::join!(come, gave_way(first), gave_way(second));
        assert!(is_held(&third).await && is_held(&come.0).await && is_held(&come.1).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_places_are_kept_free_so_that_a_rush_need_not_wait() {
        let places = Places::new("tests", SPARE_OF);
        let mut guests = Vec::new();
        for _ in 1..SPARE_OF {
            guests.push(places.take().await);
        }
        tokio::time::advance(GRACE).await;
        guests.push(places.take().await); // the last free one
        gave_way(guests.remove(0)).await;
        for guest in &guests {
            assert!(is_held(guest).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_are_shown_out_whatever_we_are_at_for_them_and_none_is_counted_twice() {
        let places = Places::new("tests", 3);
        let mut guests = [places.take().await, places.take().await, places.take().await].map(Some);
        tokio::time::advance(GRACE).await;
        let fourth = places.take();
        // The first is shown out for it, and slow to go.
        let all = async {
            guests[0].as_ref().expect("it came").until_shown_out(pending::<()>()).await;
            guests[1].as_ref().expect("it came").waits_for_us();
            places.show_all_out();
            for guest in guests.iter_mut().filter_map(Option::take) {
                guest.waits(Turn::Last);
                gave_way(guest).await;
            }
        };
        let (fourth, ()) = tokio::join!(fourth, all);
        assert!(is_held(&fourth).await);
        let line = places.shared.line();
        assert_eq!((line.leaving, line.guests.len()), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_shown_out_is_not_counted_twice() {
        let places = Places::new("tests", 2);
        let (first, second) = (places.take().await, places.take().await);
        tokio::time::advance(GRACE).await;
        // It is slow to go, and says that it waits again.
        let go = async {
            first.until_shown_out(pending::<()>()).await;
            first.waits(Turn::AsBefore);
            drop(first);
        };
        let (_third, ()) = tokio::join!(places.take(), go);
        let (_fourth, ()) = tokio::join!(places.take(), gave_way(second));
    }
}
