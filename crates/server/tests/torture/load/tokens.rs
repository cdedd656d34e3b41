//! The tokens: minted, alive, being revoked, revoked.

use std::sync::{Arc, Mutex};

use maxlab_auth_testkit::TokenForge;
use maxlab_auth_testkit::forge::now;

use crate::history::{Covers, Recorder, Token, User};
use maxlab_auth_testkit::Random;

/// So many tokens are alive beside those that are being revoked.
const ALIVE: usize = 200;
/// So many users wait for a logout of everything.
const WHOLE_USERS: usize = 12;
/// So many tokens such a user has.
const TOKENS_OF_A_USER: usize = 3;
/// Tokens are that old when they appear: long before any cut-off, whatever the skew.
const AGE_SECONDS: i64 = 120;
/// And they outlive every run.
const LIFE_SECONDS: i64 = 12 * 3600;
/// The last so many that were tried count as just revoked.
const RECENT: usize = 40;

/// One token, to be presented.
#[derive(Clone, Debug)]
pub(crate) struct Presented {
    pub(crate) token: Token,
    pub(crate) text: Arc<str>,
    pub(crate) user: Arc<str>,
}

/// What to revoke, with the tokens that it covers; the first one is presented.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) covers: Covers,
    pub(crate) tokens: Vec<Presented>,
}

/// All tokens of a run.
#[derive(Debug)]
pub(crate) struct Tokens {
    forge: TokenForge,
    recorder: Arc<Recorder>,
    stock: Mutex<Stock>,
}

#[derive(Debug, Default)]
struct Stock {
    all: Vec<Presented>,
    users: usize,
    /// Alone with their user, to be revoked one by one.
    single: Vec<Token>,
    /// To be logged out as a whole.
    whole: Vec<(User, Vec<Token>)>,
    /// Whatever somebody tried to revoke, in order.
    tried: Vec<Token>,
}

impl Tokens {
    pub(crate) fn new(forge: TokenForge, recorder: Arc<Recorder>) -> Self {
        let tokens = Self {
            forge,
            recorder,
            stock: Mutex::default(),
        };
        {
            let mut stock = tokens.stock.lock().unwrap();
            for _ in 0..ALIVE {
                tokens.mint_single(&mut stock);
            }
            for _ in 0..WHOLE_USERS {
                tokens.mint_user(&mut stock);
            }
        }
        tokens
    }

    fn mint_single(&self, stock: &mut Stock) {
        let user = stock.new_user();
        let token = self.mint(stock, user);
        stock.single.push(token);
    }

    fn mint_user(&self, stock: &mut Stock) {
        let user = stock.new_user();
        let tokens = (0..TOKENS_OF_A_USER).map(|_| self.mint(stock, user)).collect();
        stock.whole.push((user, tokens));
    }

    fn mint(&self, stock: &mut Stock, user: User) -> Token {
        let name = format!("user-{user}");
        let issued = now() - AGE_SECONDS;
        let builder = self.forge.access_token(&name).issued_at(issued);
        let token = stock.all.len();
        stock.all.push(Presented {
            token,
            text: builder.expires_in(AGE_SECONDS + LIFE_SECONDS).sign().into(),
            user: name.into(),
        });
        self.recorder.note(|history| history.users.push(user));
        token
    }

    /// Takes something alive, to be revoked; another one takes its place. A user as a whole now and then.
    pub(crate) fn take(&self, whole_user: bool, dice: &mut Random) -> Target {
        let mut stock = self.stock.lock().unwrap();
        let (covers, tokens) = if whole_user {
            self.mint_user(&mut stock);
            let chosen = dice.below(stock.whole.len() - 1);
            let (user, tokens) = stock.whole.swap_remove(chosen);
            (Covers::User(user), tokens)
        } else {
            self.mint_single(&mut stock);
            let chosen = dice.below(stock.single.len() - 1);
            let token = stock.single.swap_remove(chosen);
            (Covers::Token(token), vec![token])
        };
        stock.tried.extend(&tokens);
        Target {
            covers,
            tokens: tokens.iter().map(|token| stock.all[*token].clone()).collect(),
        }
    }

    /// One to ask about: alive, just being revoked, or revoked long ago.
    pub(crate) fn any(&self, dice: &mut Random) -> Presented {
        let stock = self.stock.lock().unwrap();
        let recent = stock.tried.len().saturating_sub(RECENT);
        let from: &[Token] = match dice.below(10) {
            0..=3 => &stock.single,
            4 => &stock.whole[dice.below(stock.whole.len())].1,
            5..=7 => &stock.tried[recent..],
            _ => &stock.tried[..recent],
        };
        let from = if from.is_empty() { &stock.single } else { from };
        stock.all[from[dice.below(from.len())]].clone()
    }

    /// One that nobody tried to revoke, and nobody will be able to.
    pub(crate) fn untouchable(&self) -> Presented {
        let mut stock = self.stock.lock().unwrap();
        let user = stock.new_user();
        let token = self.mint(&mut stock, user);
        stock.all[token].clone()
    }

    /// The token of that number.
    pub(crate) fn presented(&self, token: Token) -> Presented {
        self.stock.lock().unwrap().all[token].clone()
    }
}

impl Stock {
    fn new_user(&mut self) -> User {
        self.users += 1;
        self.users - 1
    }
}
