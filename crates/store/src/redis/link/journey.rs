//! One trip of several commands: which go to which master, in which order, and what comes of redirections.

use redis::{Cmd, Pipeline, Value};

use super::dialer::Dialer;
use super::servers::{Master, Servers};
use super::slots::{SlotMap, slot_of_command};
use super::trouble::{Trouble, unreadable};

/// In which order commands of different slots run. Those of one slot run in the order given, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// One after the other, as given; what follows a failure is not sent.
    Kept,
    /// All at the same time.
    Any,
}

/// The commands of a trip and the answers that are there already.
pub(super) struct Journey<'p> {
    pipeline: &'p Pipeline,
    order: Order,
    commands: Vec<&'p Cmd>,
    answers: Vec<Option<Value>>,
}

/// Commands (by their places in the trip) that go to one master in one go.
type Load = (usize, Vec<usize>);

impl<'p> Journey<'p> {
    pub(super) fn new(pipeline: &'p Pipeline, order: Order) -> Self {
        let commands: Vec<_> = pipeline.cmd_iter().collect();
        Self {
            pipeline,
            order,
            answers: vec![None; commands.len()],
            commands,
        }
    }

    /// Sends what has no answer yet; the answers, unless a slot turned out to be elsewhere. What was refused for that
    /// was not done, so it may be sent again, to whom it belongs; nothing else ever is.
    pub(super) async fn pass(
        &mut self,
        servers: &Servers,
        dialer: &Dialer,
    ) -> Result<Option<Value>, Trouble> {
        let Some(slots) = &servers.slots else {
            return self.whole(servers).await.map(Some);
        };
        if self.pipeline.is_transaction() {
            return Err(Trouble::of_the_question(
                "a transaction cannot be sent to a Cluster",
            ));
        }
        for stage in self.stages(slots) {
            let parts = stage.iter().map(|(master, places)| {
                let commands = places.iter().filter_map(|place| self.commands.get(*place));
                (*master, commands.copied().collect())
            });
            let answers = servers.ask_all(parts).await;
            let mut moved = false;
            for ((_, places), answers) in stage.iter().zip(answers) {
                moved |= self.settle(places, answers?, dialer).await?;
            }
            if moved {
                return Ok(None);
            }
        }
        let answers: Option<Vec<_>> = self.answers.iter_mut().map(Option::take).collect();
        answers
            .map(|answers| Some(Value::Array(answers)))
            .ok_or_else(unreadable)
    }

    /// One server has everything.
    async fn whole(&self, servers: &Servers) -> Result<Value, Trouble> {
        let master = servers.masters().first().ok_or_else(unreadable)?;
        let mut connection = master.connection.clone();
        Ok(self.pipeline.query_async(&mut connection).await?)
    }

    /// What is sent at the same time, then what is sent after that, and so on.
    fn stages(&self, slots: &SlotMap) -> Vec<Vec<Load>> {
        let open = self.answers.iter().zip(&self.commands).enumerate();
        let open = open.filter(|(_, (answer, _))| answer.is_none());
        let open = open.map(|(place, (_, command))| (place, slot_of_command(command)));
        match self.order {
            Order::Kept => {
                let mut stages: Vec<(u16, Load)> = Vec::new();
                for (place, slot) in open {
                    match stages.last_mut() {
                        Some((last, (_, places))) if *last == slot => places.push(place),
                        _ => stages.push((slot, (slots.owner(slot), vec![place]))),
                    }
                }
                stages.into_iter().map(|(_, load)| vec![load]).collect()
            }
            Order::Any => {
                let mut loads: Vec<Load> = Vec::new();
                for (place, slot) in open {
                    let owner = slots.owner(slot);
                    match loads.iter_mut().find(|(master, _)| *master == owner) {
                        Some((_, places)) => places.push(place),
                        None => loads.push((owner, vec![place])),
                    }
                }
                vec![loads]
            }
        }
    }

    /// Takes one master's answers; whether one of them was that a slot has moved.
    async fn settle(
        &mut self,
        places: &[usize],
        answers: Vec<Value>,
        dialer: &Dialer,
    ) -> Result<bool, Trouble> {
        let overtaken = answers
            .iter()
            .skip_while(|answer| redirection(answer).is_none())
            .any(|answer| redirection(answer).is_none());
        if overtaken && self.order == Order::Kept {
            return Err(Trouble::of_the_question(
                "a slot of the Cluster is on its way to another master",
            ));
        }
        let mut moved = false;
        for (place, answer) in places.iter().zip(answers) {
            let answer = match (redirection(&answer), answer) {
                (Some(Redirection::Moved), _) => {
                    moved = true;
                    continue;
                }
                (Some(Redirection::Ask(to)), _) => self.ask_there(*place, &to, dialer).await?,
                (None, answer) => answer,
            };
            if let Value::ServerError(refusal) = &answer {
                return Err(Trouble::from(refusal));
            }
            if let Some(slot) = self.answers.get_mut(*place) {
                *slot = Some(answer);
            }
        }
        Ok(moved)
    }

    /// Sends one command to the master that its slot is on its way to, and that has its key already.
    async fn ask_there(&self, place: usize, to: &str, dialer: &Dialer) -> Result<Value, Trouble> {
        let command = self.commands.get(place).copied().ok_or_else(unreadable)?;
        let (host, port) = to.rsplit_once(':').ok_or_else(unreadable)?;
        let port = port.parse().map_err(|_| unreadable())?;
        let master = Master::connect(dialer, dialer.address(host, port), None).await?;
        let mut answers = master.ask(&[&redis::cmd("ASKING"), command]).await?;
        answers.pop().ok_or_else(unreadable)
    }
}

enum Redirection {
    /// The slot has another owner.
    Moved,
    /// This key alone is asked for there.
    Ask(String),
}

fn redirection(answer: &Value) -> Option<Redirection> {
    let Value::ServerError(refusal) = answer else {
        return None;
    };
    match refusal.code() {
        "MOVED" => Some(Redirection::Moved),
        "ASK" => {
            let to = refusal.details()?.split_whitespace().nth(1)?;
            Some(Redirection::Ask(to.to_owned()))
        }
        _ => None,
    }
}
