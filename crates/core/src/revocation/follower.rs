//! The work beside the requests: keeping the lease, and following the stream into the replica.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::log::{Follow, LogFault, News, Renewal, RevocationLog};
use super::member::{Member, Position, Taken};
use super::membership::{Adopted, Membership};
use super::publisher::Publisher;
use super::replica::Replica;
use crate::clock::Clock;
use crate::unavailable::Unavailable;

/// A quiet stream is looked up from so often, to see whether the term is still the same.
const QUIET: Duration = Duration::from_millis(200);
/// So many times the stream may be quiet while the store tells of entries that did not come.
const QUIET_BEHIND: u32 = 5;
/// After a broken stream the next attempt waits this long, doubled each time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A lease is renewed so many times while it lasts.
const RENEWALS: u32 = 4;

/// The work beside the requests that keeps a replica complete.
pub(super) struct Follower {
    pub(super) log: Arc<dyn RevocationLog>,
    pub(super) membership: Arc<Membership>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) replica: Arc<Replica>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Follower {
    /// Takes an instance that is dead off the list of those who hold leases.
    pub(super) async fn bury(&self, dead: &str) {
        let of_the_dead = format!("{dead}.");
        let buried = async {
            let holders = self.log.holders().await?;
            for holder in holders {
                if holder.instance.as_str().starts_with(&of_the_dead) {
                    self.log.release(&holder.instance).await?;
                }
            }
            Ok::<_, Unavailable>(())
        };
        if let Err(fault) = buried.await {
            tracing::debug!(%fault, "the predecessor's lease runs out by itself");
        }
    }

    /// Renews the lease again and again, and never returns.
    pub(super) async fn keep_lease(&self) {
        let pause = (self.membership.lease() / RENEWALS).max(SHORTEST_PAUSE);
        loop {
            if let Err(fault) = self.membership.renew(self.clock.now()).await {
                tracing::warn!(%fault, "the lease is not renewed");
            }
            sleep(pause).await;
        }
    }

    /// Follows the stream, joins again whenever that breaks, and never returns.
    pub(super) async fn follow(&self) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let joined = self.membership.confirmed(self.clock.now()).await;
            let broken = match joined {
                Ok(adopted) => self.follow_term(&adopted, &mut pause).await,
                Err(fault) => Broken::Fault(fault),
            };
            self.membership.with(Member::leave);
            match broken {
                Broken::TermIsOver => pause = SHORTEST_PAUSE,
                Broken::Gap => tracing::warn!("the stream has a gap: the replica is loaded anew"),
                Broken::Fault(fault) => tracing::warn!(%fault, "the stream of revocations broke off"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Joins: a position first, then the snapshot, while the stream is followed from that position.
    async fn follow_term(&self, adopted: &Adopted, pause: &mut Duration) -> Broken {
        let (position, stream) = match self.open(adopted).await {
            Ok(opened) => opened,
            Err(fault) => return self.broken(fault, adopted).await,
        };
        self.publisher.board.clear();
        let number = adopted.term.number;
        self.membership.with(|member| member.begin(number, position));
        match tokio::try_join!(self.load(adopted), self.tail(stream, adopted, pause)) {
            Ok(((), never)) => match never {},
            Err(broken) => broken,
        }
    }

    async fn open(&self, adopted: &Adopted) -> Result<(Position, Box<dyn Follow>), LogFault> {
        let renewal = Renewal {
            epoch: &adopted.term.epoch,
            holder: None,
            lease: 0,
            number: 0,
        };
        let position = self.log.renew(renewal).await?;
        let stream = self.log.follow(&adopted.term.epoch, position).await?;
        Ok((position, stream))
    }

    async fn load(&self, adopted: &Adopted) -> Result<(), Broken> {
        let mut sink = |entry| self.replica.apply(&entry);
        let loaded = self
            .log
            .snapshot(&adopted.term.epoch, self.clock.now(), &mut sink);
        if let Err(fault) = loaded.await {
            return Err(self.broken(fault, adopted).await);
        }
        if !self.complete(adopted.term.number) {
            return Err(Broken::TermIsOver);
        }
        self.tell(adopted).await?;
        // The lease need not wait for the next round.
        let renewed = self.membership.renew(self.clock.now()).await;
        renewed.map(drop).map_err(Broken::Fault)
    }

    async fn tail(
        &self,
        mut stream: Box<dyn Follow>,
        adopted: &Adopted,
        pause: &mut Duration,
    ) -> Result<Infallible, Broken> {
        let mut behind = 0;
        loop {
            let news = match stream.next(QUIET).await {
                Ok(news) => news,
                Err(fault) => return Err(self.broken(fault, adopted).await),
            };
            *pause = SHORTEST_PAUSE;
            // The last entries may have been trimmed before they came, and then no later one shows the gap.
            let (position, seen) = self.membership.positions();
            behind = match position {
                Some(position) if news.entries.is_empty() && position < seen => behind + 1,
                _ => 0,
            };
            if behind > QUIET_BEHIND {
                return Err(Broken::Gap);
            }
            self.take(news, adopted).await?;
        }
    }

    fn complete(&self, number: u64) -> bool {
        self.membership.with(|member| {
            let same = member.term() == Some(number);
            if same {
                member.loaded();
            }
            same
        })
    }

    async fn take(&self, news: News, adopted: &Adopted) -> Result<(), Broken> {
        let number = adopted.term.number;
        let mut news_for_others = false;
        for delivered in news.entries {
            let taken = self.membership.with(|member| {
                member
                    .follows(number)
                    .then(|| member.take(delivered.before, delivered.position))
            });
            match taken {
                None => return Err(Broken::TermIsOver),
                Some(Taken::Known) => {}
                Some(Taken::Gap) => return Err(Broken::Gap),
                Some(Taken::Apply) => {
                    // First the replica, then whatever may tell others of it (I1).
                    self.replica.apply(&delivered.entry);
                    self.membership.with(|member| member.applied(delivered.position));
                    news_for_others = true;
                }
            }
        }
        if news_for_others {
            self.tell(adopted).await?;
        }
        self.publisher.board.post(news.applied);
        if self.membership.with(|member| member.follows(number)) {
            Ok(())
        } else {
            Err(Broken::TermIsOver)
        }
    }

    /// Tells the others up to where the replica is complete.
    async fn tell(&self, adopted: &Adopted) -> Result<(), Broken> {
        let Some(position) = self.membership.with(|member| member.position()) else {
            return Ok(());
        };
        let told = self.log.applied(&adopted.holder, position).await;
        told.map_err(Broken::Fault)
    }

    async fn broken(&self, fault: LogFault, adopted: &Adopted) -> Broken {
        match fault {
            LogFault::AnotherEpoch => {
                let anew = self.membership.adopt_anew(&adopted.term, self.clock.now()).await;
                anew.map_or_else(Broken::Fault, |_| Broken::TermIsOver)
            }
            LogFault::Unavailable(fault) => Broken::Fault(fault),
        }
    }
}

/// Why the stream is followed no further.
enum Broken {
    TermIsOver,
    Gap,
    Fault(Unavailable),
}
