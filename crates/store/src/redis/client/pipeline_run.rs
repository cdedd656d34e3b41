//! The run of one pipeline: routing its commands to masters, their order, and redirections of a Cluster.

use redis::{Cmd, Pipeline, Value};

use super::dialer::RedisDialer;
use super::failure::{RedisFailure, unexpected_reply};
use super::masters::{ConnectedMasters, MasterConnection};
use super::slots::{SlotMap, slot_of_command};

/// Order of commands on different slots. Commands on one slot always run in the given order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotOrder {
    /// One after the other. Commands after a failure are not sent.
    Sequential,
    /// All at the same time.
    Concurrent,
}

/// The commands of a pipeline, and the replies that have arrived.
pub(super) struct PipelineRun<'p> {
    pipeline: &'p Pipeline,
    order: SlotOrder,
    commands: Vec<&'p Cmd>,
    answers: Vec<Option<Value>>,
}

/// A master (by its index), and the commands (by their index in the pipeline) that are sent to it together.
type MasterBatch = (usize, Vec<usize>);

impl<'p> PipelineRun<'p> {
    pub(super) fn new(pipeline: &'p Pipeline, order: SlotOrder) -> Self {
        let commands: Vec<_> = pipeline.cmd_iter().collect();
        Self {
            pipeline,
            order,
            answers: vec![None; commands.len()],
            commands,
        }
    }

    /// Sends the commands without a reply. Returns all replies, or `None` if a slot has moved.
    ///
    /// A command that was refused with `MOVED` was not executed, so it may be sent again. No other is.
    pub(super) async fn send_pending(
        &mut self,
        servers: &ConnectedMasters,
        dialer: &RedisDialer,
    ) -> Result<Option<Value>, RedisFailure> {
        let Some(slots) = &servers.slots else {
            return self.send_to_only_master(servers).await.map(Some);
        };
        // `atomic` wraps a pipeline in MULTI and EXEC, which work on one master only.
        if self.pipeline.is_transaction() {
            return Err(RedisFailure::request_fault(
                "a transaction cannot be sent to a Cluster",
            ));
        }
        for stage in self.plan_stages(slots) {
            let parts = stage.iter().map(|(master, indexes)| {
                let commands = indexes.iter().filter_map(|index| self.commands.get(*index));
                (*master, commands.copied().collect())
            });
            let answers = servers.query_each(parts).await;
            let mut moved = false;
            for ((_, indexes), answers) in stage.iter().zip(answers) {
                moved |= self.collect_answers(indexes, answers?, dialer).await?;
            }
            if moved {
                return Ok(None);
            }
        }
        let answers: Option<Vec<_>> = self.answers.iter_mut().map(Option::take).collect();
        answers
            .map(|answers| Some(Value::Array(answers)))
            .ok_or_else(unexpected_reply)
    }

    /// Sends the whole pipeline to the only server.
    async fn send_to_only_master(&self, servers: &ConnectedMasters) -> Result<Value, RedisFailure> {
        // Without slots there are no redirections, so the library may run the pipeline.
        let master = servers.masters().first().ok_or_else(unexpected_reply)?;
        let mut connection = master.connection.clone();
        Ok(self.pipeline.query_async(&mut connection).await?)
    }

    /// Plans the stages of a run: batches that are sent at the same time, one stage after the other.
    fn plan_stages(&self, slots: &SlotMap) -> Vec<Vec<MasterBatch>> {
        let open = self.answers.iter().zip(&self.commands).enumerate();
        let open = open.filter(|(_, (answer, _))| answer.is_none());
        let open = open.map(|(index, (_, command))| (index, slot_of_command(command)));
        match self.order {
            // By slot and not by master: a redirected command must not be overtaken by those of other slots.
            SlotOrder::Sequential => {
                let mut stages: Vec<(u16, MasterBatch)> = Vec::new();
                for (index, slot) in open {
                    match stages.last_mut() {
                        Some((last, (_, indexes))) if *last == slot => indexes.push(index),
                        _ => stages.push((slot, (slots.owner(slot), vec![index]))),
                    }
                }
                stages.into_iter().map(|(_, batch)| vec![batch]).collect()
            }
            SlotOrder::Concurrent => {
                let mut batches: Vec<MasterBatch> = Vec::new();
                for (index, slot) in open {
                    let owner = slots.owner(slot);
                    match batches.iter_mut().find(|(master, _)| *master == owner) {
                        Some((_, indexes)) => indexes.push(index),
                        None => batches.push((owner, vec![index])),
                    }
                }
                vec![batches]
            }
        }
    }

    /// Stores the replies of one master. Returns `true` if one of them says that a slot has moved.
    async fn collect_answers(
        &mut self,
        indexes: &[usize],
        answers: Vec<Value>,
        dialer: &RedisDialer,
    ) -> Result<bool, RedisFailure> {
        let would_reorder = answers
            .iter()
            .skip_while(|answer| parse_redirection(answer).is_none())
            .any(|answer| parse_redirection(answer).is_none());
        // A later command was executed already. Sending the redirected one now would change the order.
        if would_reorder && self.order == SlotOrder::Sequential {
            return Err(RedisFailure::request_fault(
                "a slot of the Cluster is moving to another master",
            ));
        }
        let mut moved = false;
        for (index, answer) in indexes.iter().zip(answers) {
            let answer = match (parse_redirection(&answer), answer) {
                (Some(SlotRedirection::Moved), _) => {
                    moved = true;
                    continue;
                }
                (Some(SlotRedirection::Ask(target)), _) => {
                    self.query_redirect_target(*index, &target, dialer).await?
                }
                (None, answer) => answer,
            };
            if let Value::ServerError(error) = &answer {
                return Err(RedisFailure::from(error));
            }
            if let Some(slot) = self.answers.get_mut(*index) {
                *slot = Some(answer);
            }
        }
        Ok(moved)
    }

    /// Sends one command to the master that its slot is moving to, which has its key already.
    async fn query_redirect_target(
        &self,
        index: usize,
        target: &str,
        dialer: &RedisDialer,
    ) -> Result<Value, RedisFailure> {
        let command = self.commands.get(index).copied().ok_or_else(unexpected_reply)?;
        let (host, port) = target.rsplit_once(':').ok_or_else(unexpected_reply)?;
        let port = port.parse().map_err(|_| unexpected_reply())?;
        let master = MasterConnection::connect(dialer, dialer.address(host, port), None).await?;
        // ASKING is valid for the next command on the connection only, so both are sent together.
        let mut answers = master.query(&[&redis::cmd("ASKING"), command]).await?;
        answers.pop().ok_or_else(unexpected_reply)
    }
}

/// A redirection error of a Cluster.
enum SlotRedirection {
    /// The slot has another owner.
    Moved,
    /// This one command must be sent to the address.
    Ask(String),
}

fn parse_redirection(answer: &Value) -> Option<SlotRedirection> {
    let Value::ServerError(error) = answer else {
        return None;
    };
    match error.code() {
        "MOVED" => Some(SlotRedirection::Moved),
        "ASK" => {
            let target = error.details()?.split_whitespace().nth(1)?;
            Some(SlotRedirection::Ask(target.to_owned()))
        }
        _ => None,
    }
}
