//! `sessions` and `audit` beside a running `dev`, on the data that it uses at the same time.

use crate::dev::Dev;

#[tokio::test]
async fn sessions_are_listed_by_handle_and_ended_with_their_tokens() {
    let dev = Dev::start().await;
    dev.log_in().await;
    let listed = dev
        .shell
        .run(&["sessions", "list", "--user", "dev-member", "--json"])
        .await
        .expect(0)
        .json();
    let sessions = listed["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 1, "{listed}");
    let handle = sessions[0]["session_id"].as_str().unwrap();
    let table = dev
        .shell
        .run(&["sessions", "list", "--user", "dev-member"])
        .await
        .expect(0)
        .stdout;
    assert!(
        table.starts_with("SESSION") && table.contains(handle) && table.contains("curl/"),
        "{table}"
    );
    let cookies = dev.shell.bash(". ./state; cat \"$JAR\"").await.stdout;
    let cookie = cookies.split_whitespace().last().unwrap().to_owned();
    assert!(
        !table.contains(&cookie) && !listed.to_string().contains(&cookie),
        "the cookie is a secret"
    );

    let other = "0".repeat(32);
    for (user, session) in [
        ("dev-member", other.as_str()),
        ("dev-admin", handle),
        ("dev-member", "no handle"),
    ] {
        let ended = dev
            .shell
            .run(&["sessions", "end", "--user", user, "--session", session])
            .await
            .expect(1);
        assert!(ended.stderr.contains("nothing was ended"), "{ended:?}");
    }
    assert_eq!(dev.status_of("Your sessions").await, 200);

    dev.shell
        .run(&["sessions", "end", "--user", "dev-member", "--session", handle])
        .await
        .expect(0);
    assert_eq!(
        (dev.status_of("Your sessions").await, dev.status_of("2.").await),
        (401, 401)
    );
    let none = dev
        .shell
        .run(&["sessions", "list", "--user", "dev-member"])
        .await
        .expect(0)
        .stdout;
    assert_eq!(none, "User \"dev-member\" has no sessions.\n");
}

#[tokio::test]
async fn a_session_is_revoked_by_its_handle_alone() {
    let dev = Dev::start().await;
    dev.log_in().await;
    let listed = dev
        .shell
        .run(&["sessions", "list", "--user", "dev-member", "--json"])
        .await
        .expect(0)
        .json();
    let handle = listed["sessions"][0]["session_id"].as_str().unwrap();
    let done = dev
        .shell
        .run(&["revoke", "--session", handle, "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(
        (&done["user_id"], &done["sessions"]),
        (&"dev-member".into(), &1.into()),
        "{done}"
    );
    assert_eq!(
        (dev.status_of("Your sessions").await, dev.status_of("2.").await),
        (401, 401)
    );
}

/// The `sid` of the development authorization server's tokens is no handle of the gateway.
#[tokio::test]
async fn i12_a_session_of_the_authorization_server_is_revoked_by_its_sid() {
    let dev = Dev::start().await;
    dev.log_in().await;
    let show = format!(". ./state\n{}", dev.command("2.").await);
    let me = dev.shell.bash(&show).await.expect(0);
    let (_, after) = me.stdout.split_once("\"sid\":\"").unwrap();
    let sid = after.split('"').next().unwrap();
    let done = dev.shell.run(&["revoke", "--session", sid, "--json"]).await;
    let done = done.expect(0).json();
    assert_eq!(
        (&done["kind"], &done["key"], &done["sessions"]),
        (&"upstream_session".into(), &sid.into(), &1.into()),
        "{done}"
    );
    assert_eq!(
        (dev.status_of("Your sessions").await, dev.status_of("2.").await),
        (401, 401)
    );
    dev.log_in().await;
    assert_eq!(dev.status_of("2.").await, 200);
}

#[tokio::test]
async fn end_all_ends_everything_of_one_user_and_the_next_login_works() {
    let dev = Dev::start().await;
    dev.log_in().await;
    let ended = dev
        .shell
        .run(&["sessions", "end-all", "--user", "dev-member", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(
        (&ended["sessions"], &ended["known_tokens"]),
        (&1.into(), &2.into()),
        "an access and a refresh token"
    );
    assert_eq!(
        (dev.status_of("Your sessions").await, dev.status_of("2.").await),
        (401, 401)
    );
    dev.log_in().await;
    assert_eq!(
        (dev.status_of("Your sessions").await, dev.status_of("2.").await),
        (200, 200)
    );
}

#[tokio::test]
async fn the_audit_log_says_who_did_what() {
    let dev = Dev::start().await;
    dev.log_in().await;
    dev.shell
        .run(&["sessions", "end-all", "--user", "dev-member"])
        .await
        .expect(0);
    let audit = dev.shell.run(&["audit", "--json"]).await.expect(0).json();
    let told: Vec<_> = audit["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["kind"].as_str(), event["actor"].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (Some("admin_revoke"), Some("cli")),
            (Some("login"), Some("dev-member"))
        ],
        "{audit}"
    );
    let table = dev
        .shell
        .run(&["audit", "--kind", "login", "--since", "1h"])
        .await
        .expect(0)
        .stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("WHEN") && lines[1].contains("127.0.0.1"),
        "{table}"
    );
    let nothing = dev
        .shell
        .run(&["audit", "--user", "nobody"])
        .await
        .expect(0)
        .stdout;
    assert_eq!(nothing, "No such event was recorded.\n");
}

#[tokio::test]
async fn w12_old_events_are_deleted_by_command_and_that_is_recorded() {
    let dev = Dev::start().await;
    dev.log_in().await;
    let purged = dev
        .shell
        .run(&["audit", "purge", "--before", "1h", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(purged["deleted"], 0, "{purged}");
    let soon = "2999-01-01T00:00:00Z";
    let purged = dev
        .shell
        .run(&["audit", "purge", "--before", soon, "--json"])
        .await
        .expect(0)
        .json();
    // The login and the record of the first purge; never that of the purge itself.
    assert_eq!(purged["deleted"], 2, "{purged}");
    let purge = dev.shell.run(&["audit", "purge"]).await.expect(0).stdout;
    assert!(purge.starts_with("Deleted 0 events from before 20"), "{purge}");
    let audit = dev.shell.run(&["audit", "--json"]).await.expect(0).json();
    let event = &audit["events"][0];
    assert_eq!(
        (&event["kind"], &event["actor"]),
        (&"audit_purged".into(), &"cli".into()),
        "{audit}"
    );
}
