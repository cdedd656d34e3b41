//! The load: orders to revoke and questions about tokens, at fixed rates whatever the answers take.

mod client;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

pub(crate) use client::{Client, Door};
pub(crate) use tokens::{Presented, Target, Tokens};

use crate::history::Outcome;
use maxlab_auth_testkit::Random;

/// How often somebody revokes something, over all instances.
const REVOKE_EVERY: Duration = Duration::from_millis(75);
/// How often somebody asks one instance about a token.
const CHECK_EVERY: Duration = Duration::from_millis(60);
/// So many orders are under way at most, over all instances.
const ORDERS: usize = 96;
/// So many questions are under way at most at one instance.
const QUESTIONS: usize = 24;
/// An order that was not acknowledged is repeated at most so often.
const REPEATS: usize = 4;
/// So long, up to twice, before it is repeated.
const PAUSE: Duration = Duration::from_millis(400);

/// Of a hundred revocations so many log a user out everywhere, and so many go by the command line.
const LOGOUTS: usize = 6;
const COMMANDS: usize = 3;
/// Of a hundred orders without an acknowledgement so many are not repeated.
const GIVEN_UP: usize = 30;

/// The load on one world.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) client: Arc<Client>,
    pub(crate) tokens: Arc<Tokens>,
}

/// A load that goes on until it is stopped.
#[derive(Debug)]
pub(crate) struct Running {
    stop: watch::Sender<bool>,
    generators: JoinSet<()>,
}

impl Running {
    /// Stops it, and waits for every answer that is still out.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.generators.join_all().await;
    }
}

impl Load {
    /// Begins.
    pub(crate) fn begin(&self, seed: u64) -> Running {
        let (stop, stopped) = watch::channel(false);
        let mut dice = Random::seeded(seed);
        let mut generators = JoinSet::new();
        generators.spawn(
            self.clone()
                .revoking(Random::seeded(dice.draw()), stopped.clone()),
        );
        for instance in 0..self.client.instances() {
            generators.spawn(
                self.clone()
                    .asking(instance, Random::seeded(dice.draw()), stopped.clone()),
            );
        }
        Running { stop, generators }
    }

    async fn revoking(self, mut dice: Random, stopped: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(ORDERS));
        let mut orders = JoinSet::new();
        let mut ticks = ticking(REVOKE_EVERY);
        while !*stopped.borrow() {
            ticks.tick().await;
            while orders.try_join_next().is_some() {}
            let Ok(permit) = room.clone().try_acquire_owned() else {
                continue;
            };
            let target = self.tokens.take(dice.percent(LOGOUTS), &mut dice);
            let by_command = dice.percent(COMMANDS);
            let (load, chance) = (self.clone(), Random::seeded(dice.draw()));
            orders.spawn(async move {
                load.order(&target, by_command, chance).await;
                drop(permit);
            });
        }
        orders.join_all().await;
    }

    /// One revocation, repeated until it is acknowledged or given up; then every instance is asked at once.
    async fn order(&self, target: &Target, by_command: bool, mut dice: Random) {
        for _ in 0..=REPEATS {
            let instance = dice.below(self.client.instances());
            // The command line revokes single tokens here; a repeat comes to the gateway.
            let single = target.tokens.len() == 1;
            let outcome = if by_command && single {
                self.client.revoke_by_command(target, instance).await
            } else {
                self.client.revoke(target, instance).await
            };
            match outcome {
                Outcome::Acknowledged => return self.look_everywhere(target, instance, &mut dice).await,
                Outcome::Odd(_) => return,
                Outcome::Unacknowledged(_) | Outcome::Nothing if dice.percent(GIVEN_UP) => return,
                Outcome::Unacknowledged(_) | Outcome::Nothing => {
                    tokio::time::sleep(dice.about(PAUSE)).await;
                }
            }
        }
    }

    /// The other instances first: they had the least time to learn of it. And one of them once more, later.
    async fn look_everywhere(&self, target: &Target, instance: usize, dice: &mut Random) {
        let instances = self.client.instances();
        let questions = (1..=instances).map(|step| {
            let shown = &target.tokens[dice.below(target.tokens.len())];
            let door = any_door(dice);
            self.client
                .check(shown, (instance + step) % instances, door, false)
        });
        let questions: Vec<_> = questions.collect();
        futures::future::join_all(questions).await;
        tokio::time::sleep(dice.about(PAUSE)).await;
        let shown = &target.tokens[dice.below(target.tokens.len())];
        let (there, door) = (dice.below(instances), any_door(dice));
        self.client.check(shown, there, door, false).await;
    }

    async fn asking(self, instance: usize, mut dice: Random, stopped: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(QUESTIONS));
        let mut questions = JoinSet::new();
        let mut ticks = ticking(CHECK_EVERY);
        while !*stopped.borrow() {
            ticks.tick().await;
            while questions.try_join_next().is_some() {}
            let Ok(permit) = room.clone().try_acquire_owned() else {
                continue;
            };
            let (shown, door) = (self.tokens.any(&mut dice), any_door(&mut dice));
            let client = Arc::clone(&self.client);
            questions.spawn(async move {
                client.check(&shown, instance, door, false).await;
                drop(permit);
            });
        }
        questions.join_all().await;
    }
}

fn any_door(dice: &mut Random) -> Door {
    if dice.percent(70) {
        Door::Me
    } else {
        Door::ForwardAuth
    }
}

fn ticking(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    // A machine that was busy does not get it all at once afterwards.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
