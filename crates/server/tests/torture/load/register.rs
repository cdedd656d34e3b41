//! Every credential of a run, by its number.

use std::sync::{Arc, Mutex};

use crate::history::{At, CredentialId, CredentialKind, CredentialRecord, LoginId, Recorder, User};
use maxlab_auth_testkit::SeededRandom;

/// Number of the last attempts that count as recent.
const RECENT: usize = 60;

/// One credential, to be presented.
#[derive(Clone, Debug)]
pub(crate) struct Presented {
    pub(crate) id: CredentialId,
    pub(crate) kind: CredentialKind,
    pub(crate) text: Arc<str>,
    pub(crate) user: Arc<str>,
    /// The only instance that knows it, where instances share no register.
    pub(crate) home: Option<usize>,
}

/// A user with a number and a name.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) user: User,
    pub(crate) name: Arc<str>,
}

/// What is registered of a credential in addition to its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) kind: CredentialKind,
    pub(crate) login: Option<LoginId>,
    pub(crate) home: Option<usize>,
    /// Time when the request that brought it began.
    pub(crate) issued: At,
}

/// All credentials and users.
#[derive(Debug)]
pub(crate) struct Register {
    recorder: Arc<Recorder>,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    all: Vec<Presented>,
    users: User,
    logins: LoginId,
    /// Credentials with an attempt to end them, in order.
    tried: Vec<CredentialId>,
}

impl Register {
    pub(crate) fn new(recorder: Arc<Recorder>) -> Self {
        Self {
            recorder,
            books: Mutex::default(),
        }
    }

    /// The time on the run's clock.
    pub(crate) fn now(&self) -> At {
        self.recorder.now()
    }

    pub(crate) fn new_user(&self) -> Named {
        let mut books = self.books.lock().unwrap();
        let user = books.users;
        books.users += 1;
        Named {
            user,
            name: format!("user-{user}").into(),
        }
    }

    pub(crate) fn new_login(&self) -> LoginId {
        let mut books = self.books.lock().unwrap();
        books.logins += 1;
        books.logins - 1
    }

    /// Registers a credential of a user.
    pub(crate) fn add(&self, owner: &Named, origin: Origin, text: Arc<str>) -> Presented {
        let mut books = self.books.lock().unwrap();
        let presented = Presented {
            id: books.all.len(),
            kind: origin.kind,
            text,
            user: Arc::clone(&owner.name),
            home: origin.home,
        };
        books.all.push(presented.clone());
        self.recorder.note(|history| {
            history.credentials.push(CredentialRecord {
                kind: origin.kind,
                user: owner.user,
                login: origin.login,
                issued: origin.issued,
            });
        });
        presented
    }

    /// The credential of that number.
    pub(crate) fn presented(&self, id: CredentialId) -> Presented {
        self.books.lock().unwrap().all[id].clone()
    }

    /// Notes an attempt to end these.
    pub(crate) fn note_tried(&self, credentials: &[Presented]) {
        let ids = credentials.iter().map(|one| one.id);
        self.books.lock().unwrap().tried.extend(ids);
    }

    /// A credential with an attempt to end it, lately or long ago.
    pub(crate) fn any_tried(&self, lately: bool, dice: &mut SeededRandom) -> Option<Presented> {
        let books = self.books.lock().unwrap();
        let recent = books.tried.len().saturating_sub(RECENT);
        let from = if lately {
            &books.tried[recent..]
        } else {
            &books.tried[..recent]
        };
        let chosen = from.get(dice.below(from.len().max(1)))?;
        Some(books.all[*chosen].clone())
    }
}
