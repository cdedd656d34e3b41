//! One order: something is ended, by a client that may give up and ask again, and then every instance is asked about it.

use std::time::Duration;

use super::client::{Attempt, Ended};
use super::ending::Ending;
use super::people::Person;
use super::register::Presented;
use super::{Load, any_door, pause};
use crate::history::{Answer, CredentialKind, Outcome};
use maxlab_auth_testkit::SeededRandom;

/// An order is given up after this time by a client that waits for the answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// A client that does not wait gives up after this time, or up to a second: sooner than a lease ends.
const LEAST_PATIENCE: Duration = Duration::from_millis(300);
/// Most requests that an order has.
const ATTEMPTS: usize = 6;

/// Percentage of orders about a person who is logged in.
const ABOUT_PEOPLE: usize = 50;
/// Percentages of these that rotate a session's id, and that exchange a refresh token.
const ROTATIONS: usize = 25;
const EXCHANGES: usize = 10;
/// Percentages of the others that log a user out everywhere, and that go by the command line.
const LOGOUTS: usize = 6;
const COMMANDS: usize = 6;
/// Percentage of clients that give up early once or twice, and repeat the order at once.
const HASTY: usize = 40;
/// Percentage of these repeats that go to the same instance.
const SAME_INSTANCE: usize = 60;
/// Percentage of requests without an acknowledgement that the other clients do not repeat.
const GIVEN_UP: usize = 30;

impl Load {
    /// Ends, rotates or renews something of a person, or ends a token alone.
    pub(super) async fn order(&self, mut dice: SeededRandom) {
        let person = dice.percent(ABOUT_PEOPLE).then(|| self.people.take(&mut dice));
        if let Some(person) = person.flatten() {
            let kind = dice.below(100);
            let person = if kind < ROTATIONS {
                self.rotate(person, &mut dice).await
            } else if kind < ROTATIONS + EXCHANGES {
                self.renew(person, &mut dice).await
            } else {
                self.end_of(person, &mut dice).await
            };
            return self.people.bring_back(person);
        }
        let ending = if dice.percent(LOGOUTS) {
            self.tokens.take_user(&mut dice)
        } else {
            self.tokens.take_one(dice.percent(COMMANDS), &mut dice)
        };
        self.pursue(ending, &mut dice).await;
    }

    /// Gives a session another id. Afterwards the person holds the new one, or none.
    async fn rotate(&self, mut person: Person, dice: &mut SeededRandom) -> Person {
        let chosen = dice.below(person.logins.len());
        let login = &mut person.logins[chosen];
        let Some(cookie) = login.cookie.take() else {
            return person;
        };
        let issued = self.register.now();
        let ending = Ending::rotation(login, &cookie, dice);
        let ended = self.pursue(ending, dice).await;
        if let Some(text) = &ended.cookie {
            let fresh = self.people.cookie(&person.owner, login, issued, text);
            let instance = dice.below(self.client.instances());
            self.client.check(&fresh, instance, any_door(dice), false).await;
            login.cookie = Some(fresh);
        }
        person
    }

    /// Exchanges a refresh token. Without an answer it may be used up or not, and it is not presented again.
    async fn renew(&self, mut person: Person, dice: &mut SeededRandom) -> Person {
        let chosen = dice.below(person.logins.len());
        let login = &mut person.logins[chosen];
        let Some(token) = login.refresh.take() else {
            return person;
        };
        let (issued, instance) = (self.register.now(), dice.below(self.client.instances()));
        if let (Answer::Accepted, Some(granted)) = self.client.exchange(&token, instance, false).await {
            self.people.renewed(&person.owner, login, issued, &granted);
        }
        person
    }

    /// Ends something of a person. Afterwards the person has the logins that were not concerned.
    async fn end_of(&self, mut person: Person, dice: &mut SeededRandom) -> Person {
        let ending = Ending::of_person(&person, dice);
        person.logins.retain(|login| !ending.touched.contains(&login.id));
        self.pursue(ending, dice).await;
        person
    }

    /// Repeats an order until it is acknowledged or given up; then every instance is asked at once.
    async fn pursue(&self, mut ending: Ending, dice: &mut SeededRandom) -> Ended {
        self.register.note_tried(&ending.over);
        let instances = self.client.instances();
        let mut haste = if dice.percent(HASTY) { 1 + dice.below(2) } else { 0 };
        let mut attempt = Attempt {
            instance: dice.below(instances),
            patience: PATIENCE,
            repeat: false,
        };
        for _ in 1..ATTEMPTS {
            let hasty = haste > 0;
            attempt.patience = if hasty { hurry(dice) } else { PATIENCE };
            let ended = self.client.end(&ending, attempt).await;
            let instead = ending.instead(ended.outcome);
            match ended.outcome {
                Outcome::Acknowledged | Outcome::Over(_) => {
                    self.look_everywhere(&ending.over, ended.instance, dice).await;
                    return ended;
                }
                Outcome::Odd(_) => return ended,
                // A browser goes on with the new id, whatever the answer says of the old one.
                _ if ended.cookie.is_some() => return ended,
                Outcome::Unacknowledged(401) if instead.is_none() => return ended,
                Outcome::Nothing if hasty => haste -= 1,
                Outcome::Unacknowledged(_) | Outcome::Nothing if dice.percent(GIVEN_UP) => return ended,
                Outcome::Unacknowledged(_) | Outcome::Nothing => {
                    pause(dice).await;
                }
            }
            ending = instead.unwrap_or(ending);
            if !(hasty && dice.percent(SAME_INSTANCE)) {
                attempt.instance = dice.below(instances);
            }
            attempt.repeat = true;
        }
        attempt.patience = PATIENCE;
        self.client.end(&ending, attempt).await
    }

    /// The other instances first: they had the least time to learn of it. And one of them once more, later.
    async fn look_everywhere(&self, over: &[Presented], instance: usize, dice: &mut SeededRandom) {
        let instances = self.client.instances();
        let mut questions = Vec::new();
        for step in 1..=instances {
            for kind in [CredentialKind::SessionCookie, CredentialKind::AccessToken] {
                questions
                    .extend(one_of(over, kind, dice).map(|shown| (shown, (instance + step) % instances)));
            }
        }
        let anywhere = dice.below(instances);
        questions.extend(one_of(over, CredentialKind::RefreshToken, dice).map(|shown| (shown, anywhere)));
        let asked = questions.iter().map(|(shown, there)| {
            let door = any_door(dice);
            self.client.check(shown, *there, door, false)
        });
        let asked: Vec<_> = asked.collect();
        futures::future::join_all(asked).await;
        pause(dice).await;
        let shown = &over[dice.below(over.len())];
        let (there, door) = (dice.below(instances), any_door(dice));
        self.client.check(shown, there, door, false).await;
    }
}

fn hurry(dice: &mut SeededRandom) -> Duration {
    LEAST_PATIENCE + Duration::from_millis(u64::try_from(dice.below(700)).unwrap())
}

fn one_of<'a>(from: &'a [Presented], kind: CredentialKind, dice: &mut SeededRandom) -> Option<&'a Presented> {
    let some: Vec<_> = from.iter().filter(|one| one.kind == kind).collect();
    some.get(dice.below(some.len().max(1))).copied()
}
