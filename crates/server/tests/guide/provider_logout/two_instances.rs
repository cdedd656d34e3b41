//! Two instances on one Redis and one PostgreSQL: after the 200, the other instance refuses at once.

use maxlab_auth_testkit::{Actor, BearerActor, Browser, HttpReply};
use tempfile::TempDir;

use super::{ME, WITH_CLIENT, claims, log_in, of_session, send_to, sign, with};
use crate::gateway::{COOKIE, Gateway, Login, Stores, World};

const SHARED_KEY: (&str, &str) = (
    "SESSION_ENCRYPTION_KEY",
    "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
);

struct Pair {
    world: World,
    other: Gateway,
    _data: TempDir,
}

impl Pair {
    async fn start() -> Self {
        let world = World::on(Stores::Shared, &[WITH_CLIENT, SHARED_KEY]).await;
        let data = TempDir::new().unwrap();
        let mut settings = world.settings.clone();
        settings.insert("DATA_DIR".to_owned(), data.path().display().to_string());
        let other = Gateway::start(&settings).await;
        Self {
            world,
            other,
            _data: data,
        }
    }

    /// Asks the other instance with cookie and token of a login.
    async fn ask_other(&self, login: &Login) -> [HttpReply; 2] {
        let browser = Browser::new(&self.other.url);
        browser.plant_cookie(COOKIE, &login.cookie());
        let bearer = BearerActor::new(&self.other.url, &login.access);
        [browser.get(ME).await, bearer.get(ME).await]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b01_after_the_200_every_instance_refuses() {
    let pair = Pair::start().await;
    for round in 0..5 {
        let sid = format!("s-{round}");
        let user = format!("user-{round}");
        let login = log_in(&pair.world, &user, &sid).await;
        let bystander = log_in(&pair.world, &user, "s-of-another-browser").await;
        // Both are answered from memory from now on.
        for reply in pair.ask_other(&login).await {
            assert_eq!(reply.status, 200);
        }
        let claims = match round % 2 {
            0 => of_session(&pair.world, &sid),
            _ => with(claims(&pair.world), "sub", user.as_str()),
        };
        let token = sign(&pair.world, &claims);
        send_to(&pair.world.gateway.url, &token).await.expect_status(200);
        for reply in pair.ask_other(&login).await {
            assert_eq!(reply.status, 401, "{}", reply.text());
        }
        let expected = if round % 2 == 0 { 200 } else { 401 };
        for reply in pair.ask_other(&bystander).await {
            assert_eq!(reply.status, expected);
        }
        // The same token at the other instance: no further effect, and no error.
        send_to(&pair.other.url, &token).await.expect_status(200);
    }
    pair.other.stop().await;
}
