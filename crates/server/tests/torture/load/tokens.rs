//! Tokens that never passed through a gateway: minted, alive, and taken to be revoked.

use std::sync::{Arc, Mutex};

use maxlab_auth_testkit::TokenForge;
use maxlab_auth_testkit::forge::now;

use super::ending::Ending;
use super::register::{Named, Origin, Presented, Register};
use crate::history::{CredentialKind, Way};
use maxlab_auth_testkit::SeededRandom;

/// Tokens that are alive, apart from those that are being revoked.
const ALIVE: usize = 150;
/// So many users wait for a logout of everything.
const WHOLE_USERS: usize = 12;
/// So many tokens such a user has.
const TOKENS_OF_A_USER: usize = 3;
/// Tokens are that old when they appear: long before any cut-off, whatever the skew.
pub(crate) const AGE_SECONDS: i64 = 120;
/// And they outlive every run.
pub(crate) const LIFE_SECONDS: i64 = 12 * 3600;

/// A user with tokens and without a login.
type TokenHolder = (Named, Vec<Presented>);

/// The tokens that are alive.
#[derive(Debug)]
pub(crate) struct Tokens {
    forge: TokenForge,
    register: Arc<Register>,
    stock: Mutex<Stock>,
}

#[derive(Debug, Default)]
struct Stock {
    /// Alone with their user, to be revoked one by one.
    single: Vec<Presented>,
    /// To be logged out as a whole.
    whole: Vec<TokenHolder>,
}

impl Tokens {
    pub(crate) fn new(forge: TokenForge, register: Arc<Register>) -> Self {
        let tokens = Self {
            forge,
            register,
            stock: Mutex::default(),
        };
        let single = (0..ALIVE).map(|_| tokens.untouchable()).collect();
        let whole = (0..WHOLE_USERS).map(|_| tokens.mint_user()).collect();
        *tokens.stock.lock().unwrap() = Stock { single, whole };
        tokens
    }

    fn mint_user(&self) -> TokenHolder {
        let owner = self.register.new_user();
        let tokens = (0..TOKENS_OF_A_USER).map(|_| self.mint(&owner, &[])).collect();
        (owner, tokens)
    }

    fn mint(&self, owner: &Named, roles: &[&str]) -> Presented {
        let builder = self.forge.access_token(&owner.name);
        let aged = builder.issued_at(now() - AGE_SECONDS).claim("roles", roles);
        let text = aged.expires_in(AGE_SECONDS + LIFE_SECONDS).sign();
        let origin = Origin {
            kind: CredentialKind::AccessToken,
            login: None,
            home: None,
            issued: self.register.now(),
        };
        self.register.add(owner, origin, text.into())
    }

    /// Takes a token to be revoked; another one takes its place.
    pub(crate) fn take_one(&self, by_command: bool, dice: &mut SeededRandom) -> Ending {
        let fresh = self.untouchable();
        let mut stock = self.stock.lock().unwrap();
        let chosen = dice.below(stock.single.len());
        let token = std::mem::replace(&mut stock.single[chosen], fresh);
        let way = if by_command { Way::CommandLine } else { Way::Revoke };
        Ending::of_token(way, &token)
    }

    /// Takes a user to be logged out everywhere; another one takes the place.
    pub(crate) fn take_user(&self, dice: &mut SeededRandom) -> Ending {
        let fresh = self.mint_user();
        let mut stock = self.stock.lock().unwrap();
        let chosen = dice.below(stock.whole.len());
        let (owner, tokens) = std::mem::replace(&mut stock.whole[chosen], fresh);
        Ending::of_user_tokens(&owner, &tokens)
    }

    /// One that is alive.
    pub(crate) fn any(&self, of_a_user: bool, dice: &mut SeededRandom) -> Presented {
        let stock = self.stock.lock().unwrap();
        let from = if of_a_user {
            &stock.whole[dice.below(stock.whole.len())].1
        } else {
            &stock.single
        };
        from[dice.below(from.len())].clone()
    }

    /// A token of a user of its own.
    pub(crate) fn untouchable(&self) -> Presented {
        self.mint(&self.register.new_user(), &[])
    }

    /// A token of an administrator.
    pub(crate) fn administrator(&self) -> Presented {
        self.mint(&self.register.new_user(), &["admin"])
    }
}
