//! Steps that are possible in a state, and properties that must hold in every state.

use stateright::{Model, Property};

use crate::facts::Facts;
use crate::setup::Setup;
use crate::world::World;

/// Step of an instance, of an order, or of the world around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Ask(usize),
    Grant(usize),
    Finish(usize),
    DropRequest(usize),
    Look(usize),
    Register(usize),
    Fill(usize),
    Place(usize),
    Open(usize),
    ReadHalf(usize),
    Load(usize),
    Deliver(usize),
    ApplyLate(usize),
    BreakOff(usize),
    RefuseDirectly(usize),
    ReadEarly(usize),
    Commit(usize),
    Believe(usize),
    ReadHolders(usize),
    Publish(usize),
    AdoptAnew(usize),
    Evict,
    Crash,
    Restart,
    Cut,
    Mend,
    Flush,
    Copy,
    RollBack,
    FailOver,
    MoveOver,
    Trim,
    Pass,
    PassSlowly,
}

const OF_INSTANCES: [fn(usize) -> Step; 15] = [
    Step::Ask,
    Step::Grant,
    Step::Finish,
    Step::DropRequest,
    Step::Look,
    Step::Register,
    Step::Fill,
    Step::Place,
    Step::Open,
    Step::ReadHalf,
    Step::Load,
    Step::Deliver,
    Step::ApplyLate,
    Step::BreakOff,
    Step::RefuseDirectly,
];

const OF_ORDERS: [fn(usize) -> Step; 6] = [
    Step::ReadEarly,
    Step::Commit,
    Step::Believe,
    Step::ReadHolders,
    Step::Publish,
    Step::AdoptAnew,
];

const OF_THE_WORLD: [Step; 13] = [
    Step::Evict,
    Step::Crash,
    Step::Restart,
    Step::Cut,
    Step::Mend,
    Step::Flush,
    Step::Copy,
    Step::RollBack,
    Step::FailOver,
    Step::MoveOver,
    Step::Trim,
    Step::Pass,
    Step::PassSlowly,
];

impl Model for Setup {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![self.start()]
    }

    fn actions(&self, _: &World, steps: &mut Vec<Step>) {
        for i in 0..self.roles.len() {
            steps.extend(OF_INSTANCES.map(|step| step(i)));
        }
        for order in 0..self.orders.len() {
            steps.extend(OF_ORDERS.map(|step| step(order)));
        }
        steps.extend(OF_THE_WORLD);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = self.hasten(self.taken(world, step)?);
        if self.asks_directly {
            next.note_refusals();
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(I1, nothing_acknowledged_is_accepted),
            Property::always(I2, nothing_acknowledged_is_lost),
            Property::always(I5, nothing_else_is_refused),
            Property::always(I6, a_refusal_is_permanent),
            Property::always(NO_FALSE_ALARM, |_, world: &World| !world.seen.false_alarm),
            Property::sometimes(ANSWERED, |_, world: &World| {
                (0..world.nodes.len()).any(|i| world.remembers(i))
            }),
            Property::sometimes(ACKNOWLEDGED, |_, world: &World| {
                world.acknowledged != Facts::default()
            }),
            Property::sometimes(LAPSED, |_, world: &World| {
                world.seen.lapsed && world.acknowledged != Facts::default()
            }),
            Property::sometimes(JOINED_LATER, |_, world: &World| {
                world.seen.joined_later
                    && (0..world.nodes.len())
                        .any(|i| world.remembers(i) && world.nodes[i].member.term() > Some(1))
            }),
            Property::sometimes(ACKNOWLEDGED_LATER, |_, world: &World| {
                world.seen.acknowledged_later
            }),
            Property::sometimes(REPEATED, |_, world: &World| world.seen.repeated),
        ]
    }
}

pub(crate) const I1: &str = "I1: no accept after an acknowledgement";
pub(crate) const I2: &str = "I2: nothing acknowledged is lost";
pub(crate) const I5: &str = "I5: nothing is refused that was not revoked";
pub(crate) const I6: &str = "I6: a refusal is permanent";
pub(crate) const NO_FALSE_ALARM: &str = "a term ends only if something was lost";
pub(crate) const ANSWERED: &str = "an instance answers from memory";
pub(crate) const ACKNOWLEDGED: &str = "a revocation is acknowledged";
pub(crate) const LAPSED: &str = "it is acknowledged after a holder's lease ran out";
pub(crate) const JOINED_LATER: &str = "a join completes after the store lost its data";
pub(crate) const ACKNOWLEDGED_LATER: &str = "a revocation is acknowledged after the store lost its data";
pub(crate) const REPEATED: &str = "a client that asked again is answered";

/// I1: every answer that an instance could give now, from memory or from the store, refuses all that
/// was acknowledged.
fn nothing_acknowledged_is_accepted(setup: &Setup, world: &World) -> bool {
    let covered = world.acknowledged.refused();
    (0..world.nodes.len())
        .flat_map(|i| world.answers(i, setup))
        .all(|refused| refused & covered == covered)
}

/// I2: everything acknowledged is in the journal, and in the current data set once that is filled.
fn nothing_acknowledged_is_lost(_: &Setup, world: &World) -> bool {
    let covered = world.acknowledged.refused();
    let is_covered = |facts: Facts| facts.refused() & covered == covered;
    let counting = world
        .stores
        .iter()
        .filter(|store| store.epoch == world.register.epoch && store.filled == Some(world.register));
    is_covered(Facts::of(&world.journal)) && counting.into_iter().all(|store| is_covered(store.facts))
}

/// I5: no instance refuses what the journal does not revoke. The exempt login is exempt wherever the
/// cut-off is known.
fn nothing_else_is_refused(setup: &Setup, world: &World) -> bool {
    let revoked = Facts::of(&world.journal).refused();
    (0..world.nodes.len())
        .flat_map(|i| world.answers(i, setup))
        .all(|refused| refused & !revoked == 0)
}

/// I6: what an instance has refused once, it refuses from memory and after a direct read.
fn a_refusal_is_permanent(setup: &Setup, world: &World) -> bool {
    (0..world.nodes.len()).all(|i| {
        let earlier = world.nodes[i].refused;
        world
            .answers(i, setup)
            .all(|refused| refused & earlier == earlier)
    })
}

impl Setup {
    /// Takes every step that only brings an acknowledgement nearer as soon as it is possible: reports of
    /// positions, their arrival, the end of leases. A later acknowledgement would forbid less, so leaving
    /// those histories out misses no violation, and keeps the number of states small.
    fn hasten(&self, mut world: World) -> World {
        loop {
            let reported = (0..world.nodes.len()).find_map(|i| self.tell(&world, i));
            let next = reported.or_else(|| {
                (0..world.tasks.len()).find_map(|order| {
                    self.hear(&world, order)
                        .or_else(|| self.lapse(&world, order))
                        .or_else(|| self.conclude(&world, order))
                })
            });
            match next {
                Some(next) => world = next,
                None => return world,
            }
        }
    }

    fn taken(&self, world: &World, step: Step) -> Option<World> {
        match step {
            Step::Ask(i) => self.ask(world, i),
            Step::Grant(i) => self.grant(world, i),
            Step::Finish(i) => self.finish(world, i),
            Step::DropRequest(i) => self.drop_request(world, i),
            Step::Look(i) => self.look(world, i),
            Step::Register(i) => self.register(world, i),
            Step::Fill(i) => self.fill(world, i),
            Step::Place(i) => self.place(world, i),
            Step::Open(i) => self.open(world, i),
            Step::ReadHalf(i) => self.read_half(world, i),
            Step::Load(i) => self.load(world, i),
            Step::Deliver(i) => self.deliver(world, i),
            Step::ApplyLate(i) => self.apply_late(world, i),
            Step::BreakOff(i) => self.break_off(world, i),
            Step::RefuseDirectly(i) => self.refuse_directly(world, i),
            Step::ReadEarly(order) => self.read_early(world, order),
            Step::Commit(order) => self.commit(world, order),
            Step::Believe(order) => self.believe(world, order),
            Step::ReadHolders(order) => self.read_holders(world, order),
            Step::Publish(order) => self.publish(world, order),
            Step::AdoptAnew(order) => self.adopt_anew(world, order),
            Step::Evict => self.evict(world),
            Step::Crash => self.crash(world),
            Step::Restart => self.restart(world),
            Step::Cut => self.cut(world),
            Step::Mend => self.mend(world),
            Step::Flush => self.flush(world),
            Step::Copy => self.copy(world),
            Step::RollBack => self.roll_back(world),
            Step::FailOver => self.fail_over(world),
            Step::MoveOver => self.move_over(world),
            Step::Trim => self.trim(world),
            Step::Pass => self.pass(world, false),
            Step::PassSlowly => self.pass(world, true),
        }
    }
}
