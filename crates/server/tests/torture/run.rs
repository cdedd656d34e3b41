//! One run: the world is started, loaded, disturbed, healed, and asked for everything that it has promised.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};

use crate::arrangement::Arrangement;
use crate::check::{Patience, Standing, Violation, judge, standings};
use crate::faults::{Fault, round};
use crate::history::{Answer, CredentialId, CredentialKind, Death, Disturbance, History, Recorder, Span};
use crate::inflict::inflict;
use crate::load::{Door, Load, Presented};
use crate::plan::{Length, Plan};
use crate::world::{LEASE, World};
use maxlab_auth_testkit::SeededRandom;
use maxlab_auth_testkit::wait::holds_within;

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
    let mut dice = SeededRandom::seeded(plan.seed);
    let world = World::start(arrangement).await;
    let recorder = Arc::new(Recorder::new());
    recorder.note(|history| history.sessions_in_redis = arrangement.has_sessions_in_redis());
    let load = Load::on(&world, arrangement, &recorder);
    let probe = load.probe();
    let mut run = Run {
        world,
        recorder,
        load,
        probe,
    };
    run.settle().await;
    run.load.welcome_all(&mut dice).await;
    // With sessions in it.
    run.world.take_snapshot();
    let began = run.recorder.now();
    let running = run.load.begin(dice.next_u64());
    run.disturb(arrangement, &plan, &mut dice).await;
    running.stop().await;
    let took = run.recorder.now() - began;
    run.ask_for_everything(Pass::First).await;
    // What was promised is promised to those who come later, too.
    let instance = dice.below(arrangement.instances());
    run.world.gateways[instance].restart().await.unwrap();
    run.settle().await;
    run.ask_for_everything(Pass::Last).await;
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
    /// A token that is never revoked.
    probe: Presented,
}

impl Run {
    async fn disturb(&mut self, arrangement: Arrangement, plan: &Plan, dice: &mut SeededRandom) {
        let over = match plan.length {
            Length::OneRound => self.recorder.now(),
            Length::Lasting(time) => self.recorder.now() + time,
        };
        let mut first = true;
        while first || self.recorder.now() < over {
            for fault in round(arrangement, &plan.faults, plan.hold, dice) {
                tokio::time::sleep(dice.up_to_double(plan.quiet)).await;
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
        let answered = holds_within(RECOVERY, async || {
            let answer = self.load.client.check(shown, instance, Door::Me, last).await;
            !answer.is_none()
        });
        if !answered.await {
            let now = self.recorder.now();
            self.recorder
                .note(|history| history.silent.push((shown.id, instance, now)));
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

    /// Asks every instance about every credential: what was acknowledged must be refused, what was left alone accepted.
    async fn ask_for_everything(&self, pass: Pass) {
        let instances = self.world.gateways.len();
        let questions: Vec<Question> = self.recorder.read(|history| {
            let standings = standings(history);
            let each = standings.iter().enumerate();
            each.flat_map(|(id, standing)| questions(id, standing, instances, pass))
                .collect()
        });
        stream::iter(questions)
            .for_each_concurrent(LAST_AT_ONCE, |question| async move {
                let shown = self.load.register.presented(question.id);
                if question.insists {
                    self.insist(&shown, question.instance, true).await;
                } else {
                    let client = &self.load.client;
                    client.check(&shown, question.instance, Door::Me, true).await;
                }
            })
            .await;
    }
}

/// Which of the two times everything is asked for at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    First,
    /// After one instance was restarted.
    Last,
}

/// One of the last questions.
#[derive(Clone, Copy, Debug)]
struct Question {
    id: CredentialId,
    instance: usize,
    /// Whether it is repeated until there is an answer.
    insists: bool,
}

/// What is asked about one credential at the end. Exchanging a refresh token uses it up: so one that must be refused is
/// shown at one instance each time, and one that must be granted once, the last time.
fn questions(id: CredentialId, standing: &Standing<'_>, instances: usize, pass: Pass) -> Vec<Question> {
    let at = |instance, insists| Question {
        id,
        instance,
        insists,
    };
    if standing.record.kind != CredentialKind::RefreshToken {
        return (0..instances).map(|instance| at(instance, true)).collect();
    }
    let used = |answer: Answer| answer == Answer::Accepted || answer.is_none();
    if standing.is_promised() {
        let spent = standing.checks.iter().any(|check| used(check.answer));
        return if spent {
            vec![]
        } else {
            vec![at(id % instances, true)]
        };
    }
    let fresh = !standing.is_tried() && standing.checks.is_empty();
    if fresh && pass == Pass::Last {
        vec![at(id % instances, false)]
    } else {
        vec![]
    }
}
