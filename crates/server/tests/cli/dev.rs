//! `dev`: the printed commands do what they say, and a restart forgets nothing.

use maxlab_auth_testkit::{GatewayProcess, free_port};

use crate::tool::{Ended, Tool, eventually, gateway};

/// Both servers of `dev`, and a shell beside them.
pub(crate) struct Dev {
    pub(crate) running: GatewayProcess,
    pub(crate) shell: Tool,
}

impl Dev {
    pub(crate) async fn start() -> Self {
        let idp_port = free_port().to_string();
        let running = gateway()
            .args(["dev", "--idp-port", &idp_port])
            .start()
            .await
            .unwrap();
        let shell = Tool::beside(&running).env("EXTERNAL_AUTH_URL", format!("http://localhost:{idp_port}"));
        Self { running, shell }
    }

    /// The commands on the last screen, each with its number or title.
    async fn commands(&self) -> Vec<(String, String)> {
        let starts = || self.running.log().matches("gateway started").count();
        let screens = || self.running.log().matches("# Log out everywhere").count();
        eventually("the screen is printed", async || {
            let starts = starts();
            (screens() >= starts && starts > 0).then_some(())
        })
        .await;
        let log = std::fs::read_to_string(self.running.folder().join("stdout")).unwrap();
        let (_, screen) = log.rsplit_once("maxlab-auth for development").unwrap();
        let blocks = screen
            .split("\n\n")
            .filter_map(|block| block.trim().strip_prefix("# "));
        blocks
            .map(|block| block.split_once('\n').unwrap())
            .map(|(title, text)| (title.to_owned(), text.to_owned()))
            .collect()
    }

    /// The command with this number or title.
    pub(crate) async fn command(&self, title: &str) -> String {
        let commands = self.commands().await;
        let found = commands.iter().find(|(found, _)| found.starts_with(title));
        found.unwrap_or_else(|| panic!("{title}: {commands:?}")).1.clone()
    }

    /// Logs in with the printed command, in a shell that remembers it for the next ones.
    pub(crate) async fn log_in(&self) -> Ended {
        let log_in = self.command("1.").await;
        self.shell
            .bash(&format!(
                "{log_in}\nprintf 'TOKEN=%s\\nJAR=%s\\n' \"$TOKEN\" \"$JAR\" > state"
            ))
            .await
            .expect(0)
    }

    /// The status that a printed command gets in the shell that logged in.
    pub(crate) async fn status_of(&self, title: &str) -> u16 {
        let command = self.command(title).await;
        let ended = self.shell.bash(&format!(". ./state\n{command}")).await.expect(0);
        status(&ended.stdout).unwrap_or_else(|| panic!("{ended:?}"))
    }
}

fn status(text: &str) -> Option<u16> {
    text.lines()
        .rev()
        .find_map(|line| line.strip_prefix("HTTP "))?
        .trim()
        .parse()
        .ok()
}

#[tokio::test]
async fn the_printed_commands_log_in_call_revoke_and_are_refused() {
    let dev = Dev::start().await;
    let titles: Vec<String> = dev.commands().await.into_iter().map(|(title, _)| title).collect();
    assert!(
        titles[..4]
            .iter()
            .zip(["1.", "2.", "3.", "4."])
            .all(|(title, number)| title.starts_with(number)),
        "{titles:?}"
    );
    // As printed: all of it in one shell.
    let mut script = String::new();
    for (_, command) in dev.commands().await {
        script.push_str(&format!("{command}\n"));
    }
    let ended = dev
        .shell
        .bash(&format!("{script}\ntest -n \"$TOKEN\""))
        .await
        .expect(0);
    let told = |text: &str| {
        text.lines()
            .filter_map(|line| line.strip_prefix("HTTP "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&ended.stderr), ["200"], "the login: {ended:?}");
    assert_eq!(
        told(&ended.stdout),
        ["200", "200", "401", "200", "200"],
        "{ended:?}"
    );
    assert!(
        ended.stdout.contains("member@example.test") && ended.stdout.contains("active_sessions"),
        "{ended:?}"
    );

    let screen = dev.running.log();
    for word in [
        "admin-password",
        "member-password",
        "user-password",
        "ws-1",
        "/docs",
        "development only",
        &dev.running.url().replace("127.0.0.1", "localhost"),
    ] {
        assert!(screen.contains(word), "{word}: {screen}");
    }
}

#[tokio::test]
async fn after_ctrl_c_and_after_a_crash_sessions_and_revocations_are_as_they_were() {
    let mut dev = Dev::start().await;
    dev.log_in().await;
    assert_eq!((dev.status_of("2.").await, dev.status_of("3.").await), (200, 200));
    for crash in [false, true] {
        if crash {
            dev.running.kill9();
        } else {
            dev.running.signal("INT");
            assert_eq!(
                dev.running.terminate().await.unwrap().code(),
                Some(0),
                "Ctrl-C is a good end"
            );
        }
        dev.running.restart().await.unwrap();
        assert_eq!(
            dev.status_of("4.").await,
            401,
            "what was revoked stays revoked; crash: {crash}"
        );
        assert_eq!(
            dev.status_of("Your sessions").await,
            200,
            "the session goes on; crash: {crash}"
        );
    }
    dev.log_in().await;
    assert_eq!(dev.status_of("2.").await, 200, "and the next login works");
}

#[tokio::test]
async fn it_refuses_production() {
    let ports = [free_port().to_string(), free_port().to_string()];
    let words = ["dev", "--port", &ports[0], "--idp-port", &ports[1]];
    let ended = Tool::new()
        .env("ENVIRONMENT", "Production")
        .run(&words)
        .await
        .expect(1);
    assert!(
        ended.stderr.contains("refuses ENVIRONMENT=production"),
        "{ended:?}"
    );
    let tool = Tool::new();
    let keys = tool.run(&["keygen"]).await.expect(0).stdout;
    std::fs::write(
        tool.folder().join(".env"),
        format!("ENVIRONMENT=production\n{keys}"),
    )
    .unwrap();
    let ended = tool.run(&words).await.expect(1);
    assert!(
        ended.stderr.contains("refuses ENVIRONMENT=production"),
        "{ended:?}"
    );
    assert!(!tool.folder().join(".maxlab-auth/dev-idp").exists());
}

#[tokio::test]
async fn a_second_one_on_the_same_folder_is_told_so() {
    let dev = Dev::start().await;
    let ports = [free_port().to_string(), free_port().to_string()];
    let ended = dev
        .shell
        .run(&["dev", "--port", &ports[0], "--idp-port", &ports[1]])
        .await
        .expect(1);
    assert!(
        ended.stderr.contains("another `maxlab-auth dev`") && ended.stderr.contains("--data-dir"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn settings_for_other_servers_do_not_lead_it_away() {
    let idp_port = free_port().to_string();
    let running = gateway()
        .args(["dev", "--idp-port", &idp_port])
        .env("REDIS_URL", "redis://127.0.0.1:9/0")
        .env("DATABASE_URL", "postgresql://u:p@127.0.0.1:9/x")
        .env("EXTERNAL_AUTH_URL", "https://auth.example.com")
        .env("JWT_ISSUER", "https://auth.example.com")
        .env("OAUTH_CLIENT_ID", "another")
        .env("OAUTH_CLIENT_SECRET", "a-secret-of-another-client")
        .start()
        .await
        .unwrap();
    let dev = Dev {
        running,
        shell: Tool::new(),
    };
    dev.log_in().await;
    let answers = (
        dev.status_of("2.").await,
        dev.status_of("3.").await,
        dev.status_of("4.").await,
    );
    assert_eq!(answers, (200, 200, 401));
}

#[tokio::test]
async fn n20_the_start_page_is_the_demonstration_and_its_protected_page_needs_a_login() {
    let dev = Dev::start().await;
    dev.commands().await;
    let page = |path: &str| {
        let request = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap()
            .get(format!("{}{path}", dev.running.url()))
            .header("accept", "text/html")
            .header("sec-fetch-mode", "navigate");
        async move { request.send().await.unwrap() }
    };
    for (path, name) in [("/", "demo-public"), ("/callback?code=x", "demo-callback")] {
        let answer = page(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            policy.contains("script-src 'self'") && !policy.contains("unsafe"),
            "{policy}"
        );
        let text = answer.text().await.unwrap();
        assert!(text.contains(&format!("data-page=\"{name}\"")), "{text}");
        let (_, style) = text.split_once("href=\"/auth/assets/").unwrap();
        let style = format!("/auth/assets/{}", style.split('"').next().unwrap());
        assert_eq!(page(&style).await.status(), 200, "{style}");
    }
    let answer = page("/members").await;
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.headers()["location"], "/auth/login?return_to=%2Fmembers");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    for path in ["/demo/demo.js", "/demo/demo.css"] {
        assert_eq!(page(path).await.status(), 200, "{path}");
    }
    // A call of a script is never redirected.
    let call = reqwest::get(format!("{}/demo/notes", dev.running.url()))
        .await
        .unwrap();
    assert_eq!(call.status(), 401);
}
