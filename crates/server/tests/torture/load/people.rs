//! People who logged in through a gateway: each has two logins, with a cookie, an access token and a refresh token.

use std::sync::{Arc, Mutex};

use super::client::{Client, Granted};
use super::register::{Named, Origin, Presented, Register};
use crate::history::{At, CredentialKind, LoginId};
use maxlab_auth_testkit::SeededRandom;

/// People who are logged in, apart from those for whom an order is under way.
const PEOPLE: usize = 24;
/// Logins with which a person begins.
const LOGINS: usize = 2;
/// Most attempts at one login.
const TRIES: usize = 6;

/// One login.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) id: LoginId,
    /// The instance at which it began.
    pub(crate) home: usize,
    /// The session's public name.
    pub(crate) handle: Arc<str>,
    /// `None` once the session's id is unknown.
    pub(crate) cookie: Option<Presented>,
    pub(crate) access: Option<Presented>,
    /// `None` once it may have been exchanged.
    pub(crate) refresh: Option<Presented>,
}

impl Login {
    /// What the person holds of it.
    pub(crate) fn credentials(&self) -> Vec<Presented> {
        let held = [&self.cookie, &self.access, &self.refresh];
        held.into_iter().flatten().cloned().collect()
    }
}

/// One user with logins.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) owner: Named,
    pub(crate) logins: Vec<Login>,
}

/// The people who are logged in.
#[derive(Debug)]
pub(crate) struct People {
    register: Arc<Register>,
    /// Whether every instance knows which tokens belong to which login.
    pub(crate) shared: bool,
    stock: Mutex<Vec<Person>>,
}

impl People {
    pub(crate) fn new(register: Arc<Register>, shared: bool) -> Self {
        Self {
            register,
            shared,
            stock: Mutex::default(),
        }
    }

    /// Number of people who are missing.
    pub(crate) fn wanting(&self) -> usize {
        PEOPLE.saturating_sub(self.stock.lock().unwrap().len())
    }

    /// Takes a person; no other order concerns them until they are brought back.
    pub(crate) fn take(&self, dice: &mut SeededRandom) -> Option<Person> {
        let mut stock = self.stock.lock().unwrap();
        let chosen = dice.below(stock.len().max(1));
        (chosen < stock.len()).then(|| stock.swap_remove(chosen))
    }

    /// Brings a person back, if a login is left with which they can ask.
    pub(crate) fn bring_back(&self, mut person: Person) {
        person.logins.retain(|login| login.access.is_some());
        if !person.logins.is_empty() {
            self.stock.lock().unwrap().push(person);
        }
    }

    /// A cookie or access token of a person who is logged in.
    pub(crate) fn any(&self, dice: &mut SeededRandom) -> Option<Presented> {
        let stock = self.stock.lock().unwrap();
        let person = stock.get(dice.below(stock.len().max(1)))?;
        let login = &person.logins[dice.below(person.logins.len())];
        let cookie = login.cookie.clone().filter(|_| dice.percent(60));
        cookie.or_else(|| login.access.clone())
    }

    /// Logs a new user in, at any instances.
    pub(crate) async fn welcome(&self, client: &Client, dice: &mut SeededRandom) {
        let owner = self.register.new_user();
        let mut logins = Vec::new();
        for _ in 0..LOGINS {
            for _ in 0..TRIES {
                let (home, issued) = (dice.below(client.instances()), self.register.now());
                if let Some(granted) = client.log_in(&owner.name, home).await {
                    logins.push(self.begun(&owner, home, issued, &granted));
                    break;
                }
                super::pause(dice).await;
            }
        }
        self.bring_back(Person { owner, logins });
    }

    fn begun(&self, owner: &Named, home: usize, issued: At, granted: &Granted) -> Login {
        let id = self.register.new_login();
        let mut login = Login {
            id,
            home,
            handle: Arc::clone(&granted.handle),
            cookie: None,
            access: None,
            refresh: None,
        };
        login.cookie = granted
            .cookie
            .as_ref()
            .map(|text| self.cookie(owner, &login, issued, text));
        self.renewed(owner, &mut login, issued, granted);
        login
    }

    /// Registers a session's new id.
    pub(crate) fn cookie(&self, owner: &Named, login: &Login, issued: At, text: &Arc<str>) -> Presented {
        let origin = self.origin(CredentialKind::SessionCookie, login, issued);
        self.register.add(owner, origin, Arc::clone(text))
    }

    /// Registers new tokens of a login.
    pub(crate) fn renewed(&self, owner: &Named, login: &mut Login, issued: At, granted: &Granted) {
        let access = self.origin(CredentialKind::AccessToken, login, issued);
        let refresh = self.origin(CredentialKind::RefreshToken, login, issued);
        login.access = Some(self.register.add(owner, access, Arc::clone(&granted.access)));
        login.refresh = Some(self.register.add(owner, refresh, Arc::clone(&granted.refresh)));
    }

    fn origin(&self, kind: CredentialKind, login: &Login, issued: At) -> Origin {
        Origin {
            kind,
            login: Some(login.id),
            home: (!self.shared).then_some(login.home),
            issued,
        }
    }
}
