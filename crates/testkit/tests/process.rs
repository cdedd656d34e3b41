//! Gateway processes are started in a clean environment, killed, drained and restarted. This test binary
//! itself stands in for the gateway.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;
use std::time::Duration;

use maxlab_auth_testkit::{Actor, AnonymousActor, GatewayOptions, GatewayProcess};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Stand-in for the gateway: answers every request with its environment, and ends with code 7 on SIGTERM.
#[tokio::test]
async fn stand_in_for_the_gateway() {
    match std::env::var("STAND_IN").as_deref() {
        Ok("serve") => {}
        // As the gateway does with a wrong setting: a report on standard error, and a code of its own.
        Ok("fail") => {
            println!("a line on stdout");
            eprintln!("SECRET_KEY is missing");
            std::process::exit(3);
        }
        // Run as an ordinary test it does nothing.
        _ => return,
    }
    println!("the stand-in starts");
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    let (host, port) = (std::env::var("HOST").unwrap(), std::env::var("PORT").unwrap());
    let listener = TcpListener::bind(format!("{host}:{port}")).await.unwrap();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (mut stream, _) = accepted.unwrap();
                // The caller may have given up already.
                let Ok(1..) = stream.read(&mut [0; 4096]).await else { continue };
                let env: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
                let body = format!("{}\nCWD={}", env.join("\n"), std::env::current_dir().unwrap().display());
                // 503: `start` must accept any status as a sign of life.
                let head = format!("HTTP/1.1 503 x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes()).await;
            }
            _ = terminated.recv() => std::process::exit(7),
        }
    }
}

fn stand_in(role: &str) -> GatewayOptions {
    GatewayProcess::of(std::env::current_exe().unwrap())
        .args(["--exact", "stand_in_for_the_gateway", "--nocapture"])
        .env("STAND_IN", role)
}

#[tokio::test]
async fn it_starts_in_a_clean_environment_and_answers_health() {
    let gateway = stand_in("serve")
        .env("CLOCK_SKEW_SECONDS", "5")
        .env("CLOCK_SKEW_SECONDS", "0")
        .start()
        .await
        .unwrap();
    let environment = AnonymousActor::new(&gateway.url()).get("/").await.text();
    let names: Vec<&str> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .collect();
    let allowed = [
        "PATH",
        "HOME",
        "HOST",
        "PORT",
        "DATA_DIR",
        "STAND_IN",
        "CLOCK_SKEW_SECONDS",
        "CWD",
    ];
    assert!(names.iter().all(|name| allowed.contains(name)), "{names:?}");
    assert!(environment.contains("CLOCK_SKEW_SECONDS=0"));
    assert!(environment.contains(&format!("CWD={}", gateway.folder().display())));
    assert!(gateway.log().contains("the stand-in starts"));
}

#[tokio::test]
async fn it_is_killed_restarted_and_terminated() {
    let mut gateway = stand_in("serve").start().await.unwrap();
    let (url, pid) = (gateway.url(), gateway.pid().unwrap());
    gateway.kill9();
    assert!(!gateway.is_running() && !Path::new(&format!("/proc/{pid}")).exists());

    gateway.set_env("ADMIN_ROLES", "root");
    gateway.restart().await.unwrap();
    assert_eq!(gateway.url(), url);
    assert_ne!(gateway.pid(), Some(pid));
    assert!(
        AnonymousActor::new(&url)
            .get("/")
            .await
            .text()
            .contains("ADMIN_ROLES=root")
    );
    assert_eq!(
        gateway.log().matches("the stand-in starts").count(),
        2,
        "both runs write to one log"
    );

    assert_eq!(gateway.terminate().await.unwrap().code(), Some(7));
    assert!(gateway.terminate().await.is_err(), "it has ended already");
}

#[tokio::test]
async fn a_paused_gateway_does_not_answer() {
    let gateway = stand_in("serve").start().await.unwrap();
    let caller = AnonymousActor::new(&gateway.url());
    gateway.pause();
    assert!(
        tokio::time::timeout(Duration::from_millis(300), caller.get("/health"))
            .await
            .is_err()
    );
    gateway.resume();
    caller.get("/health").await.expect_status(503);
}

#[tokio::test]
async fn a_failed_start_says_why() {
    let fault = stand_in("fail").start().await.unwrap_err().to_string();
    assert!(
        fault.contains("SECRET_KEY is missing") && fault.contains('3'),
        "{fault}"
    );

    let ended = stand_in("fail").run().await.unwrap();
    assert_eq!(ended.status.code(), Some(3));
    assert!(ended.stdout.contains("a line on stdout"));
    assert!(ended.stderr.contains("SECRET_KEY is missing"));
}

#[tokio::test]
async fn it_ends_when_dropped() {
    let gateway = stand_in("serve").start().await.unwrap();
    let pid = gateway.pid().unwrap();
    drop(gateway);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}
