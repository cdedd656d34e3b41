//! The load: orders to end something and questions about credentials, at fixed rates whatever the answers take.

mod answer;
mod client;
mod ending;
mod issuer;
mod order;
mod people;
mod register;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

pub(crate) use answer::Door;
pub(crate) use client::Client;
pub(crate) use issuer::open_at;
pub(crate) use register::{Presented, Register};

use crate::arrangement::Arrangement;
use crate::history::Recorder;
use crate::world::World;
use maxlab_auth_testkit::SeededRandom;
use people::People;
use tokens::Tokens;

/// Time between two orders, over all instances.
const ORDER_EVERY: Duration = Duration::from_millis(75);
/// Time between two questions to one instance.
const CHECK_EVERY: Duration = Duration::from_millis(60);
/// How often it is seen to that enough people are logged in.
const WELCOME_EVERY: Duration = Duration::from_millis(50);
/// So many orders are under way at most, over all instances.
const ORDERS: usize = 96;
/// So many questions are under way at most at one instance.
const QUESTIONS: usize = 24;
/// Most people who log in at the same time.
const LOGINS: usize = 6;
/// Shortest time before something is repeated; the longest is twice that.
const PAUSE: Duration = Duration::from_millis(400);

/// Lets some time pass before something is repeated.
async fn pause(dice: &mut SeededRandom) {
    tokio::time::sleep(dice.up_to_double(PAUSE)).await;
}

/// The load on one world.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) client: Arc<Client>,
    pub(crate) register: Arc<Register>,
    tokens: Arc<Tokens>,
    people: Arc<People>,
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
    /// A load on this world, with no one logged in yet.
    pub(crate) fn on(world: &World, arrangement: Arrangement, recorder: &Arc<Recorder>) -> Self {
        open_at(&world.auth);
        let register = Arc::new(Register::new(Arc::clone(recorder)));
        let shared = arrangement.shares_register();
        let tokens = Tokens::new(world.auth.forge().clone(), Arc::clone(&register));
        let administrator = tokens.administrator();
        let client = Client::new(world, shared, administrator, Arc::clone(recorder));
        Self {
            client: Arc::new(client),
            people: Arc::new(People::new(Arc::clone(&register), shared)),
            tokens: Arc::new(tokens),
            register,
        }
    }

    /// A token that is never revoked.
    pub(crate) fn probe(&self) -> Presented {
        self.tokens.untouchable()
    }

    /// Logs in as many people as there ought to be.
    pub(crate) async fn welcome_all(&self, dice: &mut SeededRandom) {
        let seeds: Vec<u64> = (0..self.people.wanting()).map(|_| dice.next_u64()).collect();
        stream::iter(seeds)
            .for_each_concurrent(LOGINS, |seed| async move {
                self.people
                    .welcome(&self.client, &mut SeededRandom::seeded(seed))
                    .await;
            })
            .await;
    }

    /// Begins.
    pub(crate) fn begin(&self, seed: u64) -> Running {
        let (stop, stopped) = watch::channel(false);
        let mut dice = SeededRandom::seeded(seed);
        let mut generators = JoinSet::new();
        let mut chance = || SeededRandom::seeded(dice.next_u64());
        generators.spawn(self.clone().ordering(chance(), stopped.clone()));
        generators.spawn(self.clone().welcoming(chance(), stopped.clone()));
        for instance in 0..self.client.instances() {
            generators.spawn(self.clone().asking(instance, chance(), stopped.clone()));
        }
        Running { stop, generators }
    }

    async fn ordering(self, mut dice: SeededRandom, stopped: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(ORDERS));
        let mut orders = JoinSet::new();
        let mut ticks = ticking(ORDER_EVERY);
        while !*stopped.borrow() {
            ticks.tick().await;
            while orders.try_join_next().is_some() {}
            let Ok(permit) = room.clone().try_acquire_owned() else {
                continue;
            };
            let (load, chance) = (self.clone(), SeededRandom::seeded(dice.next_u64()));
            orders.spawn(async move {
                load.order(chance).await;
                drop(permit);
            });
        }
        orders.join_all().await;
    }

    async fn welcoming(self, mut dice: SeededRandom, stopped: watch::Receiver<bool>) {
        let mut logins = JoinSet::new();
        let mut ticks = ticking(WELCOME_EVERY);
        while !*stopped.borrow() {
            ticks.tick().await;
            while logins.try_join_next().is_some() {}
            if logins.len() >= LOGINS.min(self.people.wanting()) {
                continue;
            }
            let (load, mut chance) = (self.clone(), SeededRandom::seeded(dice.next_u64()));
            logins.spawn(async move { load.people.welcome(&load.client, &mut chance).await });
        }
        logins.join_all().await;
    }

    async fn asking(self, instance: usize, mut dice: SeededRandom, stopped: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(QUESTIONS));
        let mut questions = JoinSet::new();
        let mut ticks = ticking(CHECK_EVERY);
        while !*stopped.borrow() {
            ticks.tick().await;
            while questions.try_join_next().is_some() {}
            let Ok(permit) = room.clone().try_acquire_owned() else {
                continue;
            };
            let (shown, door) = (self.any(&mut dice), any_door(&mut dice));
            let client = Arc::clone(&self.client);
            questions.spawn(async move {
                client.check(&shown, instance, door, false).await;
                drop(permit);
            });
        }
        questions.join_all().await;
    }

    /// A credential to ask about: alive, just being ended, or ended long ago.
    fn any(&self, dice: &mut SeededRandom) -> Presented {
        let chosen = match dice.below(10) {
            0..=1 => None,
            2 => return self.tokens.any(true, dice),
            3..=4 => self.people.any(dice),
            5..=7 => self.register.any_tried(true, dice),
            _ => self.register.any_tried(false, dice),
        };
        chosen.unwrap_or_else(|| self.tokens.any(false, dice))
    }
}

fn any_door(dice: &mut SeededRandom) -> Door {
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
