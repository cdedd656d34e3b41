//! The policy file at the start, and when it changes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use maxlab_auth::app::App;
use maxlab_auth::config::{Settings, SettingsSource};

use crate::gateway::{World, eventually, is_alone, verdict};
use crate::policy::{POLICY, anonymously, world_with};

fn counted(world: &World, line: &str) -> bool {
    world
        .gateway
        .app
        .state
        .metrics
        .render()
        .lines()
        .any(|found| found == line)
}

/// Writes it as the documents advise: under another name, then renamed.
fn replace(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    std::fs::write(&draft, text).unwrap();
    std::fs::rename(&draft, path).unwrap();
}

async fn opened(world: &World) -> u16 {
    anonymously(world, "GET", "a.example", "/open")
        .await
        .status
        .as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_policy_counts_whole_and_a_broken_one_not_at_all() {
    if !is_alone("policy_file::a_changed_policy_counts_whole_and_a_broken_one_not_at_all") {
        return;
    }
    const FIRST: &str = "default = \"deny\"\n[[rule]]\npath = \"/open\"\naccess = \"public\"\n";
    let (world, path, _folder) = world_with(FIRST, &[]).await;
    let (world, done, shut, asked) = (
        Arc::new(world),
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let (world, done, shut, asked) = (
                Arc::clone(&world),
                Arc::clone(&done),
                Arc::clone(&shut),
                Arc::clone(&asked),
            );
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let was_shut = shut.load(Ordering::SeqCst);
                    let open = opened(&world).await;
                    assert!(open == 403 || (open == 200 && !was_shut), "{open}");
                    let closed = anonymously(&world, "GET", "a.example", "/closed").await;
                    assert_eq!(verdict(&closed), (403, "policy_denied".into()));
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let more = async |than: usize| {
        eventually("requests go on", async || {
            asked.load(Ordering::Relaxed) > than + 20
        })
        .await;
    };
    more(0).await;
    // Half a file, which read as a whole would let everybody with a credential in; and one that is none.
    for broken in [
        "default = \"deny\"\n[[rule]]\npath = \"/op",
        "[[rule]]\naccess = \"public\"\n",
    ] {
        replace(&path, broken);
        eventually("the broken file is told of", async || {
            counted(&world, "policy_stale 1")
        })
        .await;
        more(asked.load(Ordering::Relaxed)).await;
        assert_eq!(opened(&world).await, 200, "the policy that was there holds");
        replace(&path, FIRST);
        eventually("it is mended", async || counted(&world, "policy_stale 0")).await;
    }
    replace(&path, "default = \"deny\"\n");
    eventually("the door is shut", async || opened(&world).await == 403).await;
    shut.store(true, Ordering::SeqCst);
    more(asked.load(Ordering::Relaxed)).await;
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert!(counted(&world, "policy_reloads_total{outcome=\"refused\"} 2"));
    assert!(counted(&world, "policy_reloads_total{outcome=\"applied\"} 1"));
}

async fn start(path: &Path) -> Result<App, String> {
    let data = path.parent().unwrap().join("data").display().to_string();
    let settings = [
        ("EXTERNAL_AUTH_URL", "http://127.0.0.1:9".to_owned()),
        ("DATA_DIR", data),
        ("POLICY_FILE", path.display().to_string()),
    ];
    let settings = settings
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let (settings, warnings) = Settings::load(&SettingsSource::from_map(settings)).unwrap();
    assert!(
        warnings.iter().any(|warning| warning.name == "POLICY_FILE"),
        "no proxy is trusted"
    );
    App::open(settings).await.map_err(|fault| format!("{fault:#}"))
}

#[tokio::test]
async fn a_faulty_policy_stops_the_start_and_says_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    assert!(start(&path).await.unwrap_err().contains("cannot be opened"));
    std::fs::write(
        &path,
        "default = \"public\"\n[[rule]]\npath = \"/a;b\"\nrequire = \"rol=x\"\n",
    )
    .unwrap();
    let said = start(&path).await.unwrap_err();
    for words in ["POLICY_FILE", "line 1", "line 3 (rule 1)", "line 4 (rule 1)"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    std::fs::write(&path, POLICY).unwrap();
    start(&path).await.unwrap();
}
