//! One run: the world is started, loaded, disturbed, healed, and asked for everything that it has promised.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};

use crate::arrangement::Arrangement;
use crate::check::{Patience, Violation, judge};
use crate::faults::{Fault, inflict, round};
use crate::history::{Death, Disturbance, History, Recorder, Span};
use crate::load::{Client, Door, Load, Presented, Tokens};
use crate::plan::{Length, Plan};
use crate::world::{LEASE, World};
use maxlab_auth_testkit::Random;

/// Beyond a lease, so much may pass until a refusal by one instance binds the others.
const SLACK: Duration = Duration::from_secs(2);
/// A fault that was healed has had its effects by then, if everything answers again.
const AFTERMATH: Duration = LEASE.saturating_add(Duration::from_millis(300));
/// With everything healed, an instance has so long to answer.
const RECOVERY: Duration = Duration::from_secs(120);
/// So many of the last questions are asked at once.
const LAST_AT_ONCE: usize = 12;

/// What a run was, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) arrangement: Arrangement,
    pub(crate) plan: Plan,
    pub(crate) history: History,
    pub(crate) violations: Vec<Violation>,
    /// How long it was under load.
    pub(crate) took: Duration,
}

/// Runs one arrangement.
///
/// # Panics
/// When a server that it needs does not come up.
pub(crate) async fn run(arrangement: Arrangement, plan: Plan) -> Verdict {
    println!("{}: seed {}", arrangement.name(), plan.seed);
    let mut dice = Random::seeded(plan.seed);
    let world = World::start(arrangement).await;
    let recorder = Arc::new(Recorder::new());
    let tokens = Arc::new(Tokens::new(world.auth.forge().clone(), Arc::clone(&recorder)));
    let client = Arc::new(Client::new(&world, Arc::clone(&recorder)));
    let load = Load { client, tokens };
    let probe = load.tokens.untouchable();
    let mut run = Run {
        world,
        recorder,
        load,
        probe,
    };
    run.settle().await;
    let began = run.recorder.now();
    let running = run.load.begin(dice.draw());
    run.disturb(arrangement, &plan, &mut dice).await;
    running.stop().await;
    let took = run.recorder.now() - began;
    run.ask_for_everything().await;
    // What was promised is promised to those who come later, too.
    let instance = dice.below(arrangement.instances());
    run.world.gateways[instance].restart().await.unwrap();
    run.settle().await;
    run.ask_for_everything().await;
    run.look_for_deaths().await;
    let history = run.recorder.close();
    let patience = Patience {
        lease: LEASE,
        slack: SLACK,
    };
    let violations = judge(&history, patience);
    Verdict {
        arrangement,
        plan,
        history,
        violations,
        took,
    }
}

struct Run {
    world: World,
    recorder: Arc<Recorder>,
    load: Load,
    /// A token that nobody revokes.
    probe: Presented,
}

impl Run {
    async fn disturb(&mut self, arrangement: Arrangement, plan: &Plan, dice: &mut Random) {
        let over = match plan.length {
            Length::OneRound => self.recorder.now(),
            Length::Lasting(time) => self.recorder.now() + time,
        };
        let mut first = true;
        while first || self.recorder.now() < over {
            for fault in round(arrangement, &plan.faults, plan.hold, dice) {
                tokio::time::sleep(dice.about(plan.quiet)).await;
                if !first && self.recorder.now() >= over {
                    break;
                }
                self.suffer(fault).await;
            }
            first = false;
        }
        tokio::time::sleep(plan.quiet).await;
    }

    async fn suffer(&mut self, fault: Fault) {
        let begun = self.recorder.now();
        Box::pin(inflict(&mut self.world, fault)).await;
        tokio::time::sleep(AFTERMATH).await;
        self.settle().await;
        self.look_for_deaths().await;
        let ended = self.recorder.now();
        self.recorder.note(|history| {
            history.disturbances.push(Disturbance {
                kind: fault.kind,
                instance: fault.instance,
                span: Span { begun, ended },
            });
        });
        // The authorization server remembers every request that it got; nobody asks for them here.
        self.world.auth.forget_requests();
    }

    /// Returns when every instance answers about a token again.
    async fn settle(&self) {
        for instance in 0..self.world.gateways.len() {
            self.insist(&self.probe, instance, false).await;
        }
    }

    /// Asks until there is an answer; silence is noted.
    async fn insist(&self, shown: &Presented, instance: usize, last: bool) {
        let began = self.recorder.now();
        loop {
            let answer = self.load.client.check(shown, instance, Door::Me, last).await;
            if !answer.is_none() {
                return;
            }
            let now = self.recorder.now();
            if now - began > RECOVERY {
                return self
                    .recorder
                    .note(|history| history.silent.push((shown.token, instance, now)));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A gateway that has ended is noted, and started again, so that the rest of the run tells more.
    async fn look_for_deaths(&mut self) {
        for (instance, gateway) in self.world.gateways.iter_mut().enumerate() {
            if !gateway.is_running() {
                let at = self.recorder.now();
                let who = format!("instance {instance}");
                self.recorder
                    .note(|history| history.deaths.push(Death { at, who }));
                gateway.restart().await.unwrap();
            }
        }
    }

    /// Asks every instance about every token: what was acknowledged must be refused, what nobody touched accepted.
    async fn ask_for_everything(&self) {
        let tokens = &self.load.tokens;
        let count = self.recorder.read(|history| history.users.len());
        let instances = self.world.gateways.len();
        let questions = (0..count).flat_map(|token| (0..instances).map(move |instance| (token, instance)));
        stream::iter(questions)
            .for_each_concurrent(LAST_AT_ONCE, |(token, instance)| async move {
                self.insist(&tokens.presented(token), instance, true).await;
            })
            .await;
    }
}
